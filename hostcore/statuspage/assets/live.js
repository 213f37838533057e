// Puts what the server renders in place, unless somebody is about to confirm something.
const state = document.getElementById("state");
const connection = document.getElementById("connection");
const events = new EventSource("/status/live");
let waiting = null;

function put() {
  if (waiting !== null && !state.querySelector("details[open]")) {
    state.innerHTML = waiting;
    waiting = null;
  }
}

events.onopen = () => { connection.textContent = "live"; };
events.onerror = () => { connection.textContent = "the host does not answer; trying again"; };
events.onmessage = (e) => { waiting = e.data; put(); };
state.addEventListener("toggle", put, true);
