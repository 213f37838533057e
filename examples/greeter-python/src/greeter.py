"""An Orch plugin in Python: the greeter of examples/greeter-go, once more."""

from orch_plugin import Failure, Plugin

settings = {"greeting": "Hello"}


def configure(table):
    settings["greeting"] = table.get("greeting", "Hello")


plugin = Plugin(
    "greeter-python", "1.0.0", doc="Greets people, in Python.", configure=configure,
    config_schema={"type": "object", "additionalProperties": False, "properties": {
        "greeting": {"type": "string", "description": "The word to greet with", "default": "Hello"}}},
)


@plugin.activity(
    "greet_in_python", idempotent=True,
    input={"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string", "description": "Who is greeted"}}},
    output={"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}},
)
def greet(attempt, person):
    """Greets somebody."""
    if not person["name"]:
        raise Failure("NobodyThere", "there is nobody to greet: name is empty", non_retryable=True)
    attempt.log("info", "greeting", name=person["name"])
    return {"message": "%s, %s!" % (settings["greeting"], person["name"])}


@plugin.activity(
    "greet_all_in_python", idempotent=True, heartbeat=10,
    input={"type": "object", "required": ["names"], "properties": {
        "names": {"type": "array", "items": {"type": "string"}, "description": "Who is greeted, in this order"},
        "pause": {"type": "number", "description": "Seconds between two greetings", "default": 0}}},
    output={"type": "object", "required": ["messages"], "properties": {
        "messages": {"type": "array", "items": {"type": "string"}}}},
)
def greet_all(attempt, people):
    """Greets one after the other, and goes on where an attempt before has stopped."""
    messages = (attempt.last_heartbeat or {}).get("messages", [])
    for i, name in enumerate(people["names"][len(messages):]):
        if i > 0:
            attempt.sleep(people.get("pause", 0))
        messages.append("%s, %s!" % (settings["greeting"], name))
        attempt.heartbeat({"messages": messages})
        attempt.progress("greeted " + name, len(messages), len(people["names"]))
    return {"messages": messages}


def main():
    plugin.main()


if __name__ == "__main__":
    main()
