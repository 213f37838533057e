package workflows

import (
	"strings"
)

// params reads the one object of params a workflow takes. Nothing at all is an empty object; anything but an object
// ends the run.
func (f *flow) params(arg Arg) object {
	v := value{arg}
	if o, ok := v.object(); ok {
		return o
	}
	if !v.missing() {
		f.refuse("InvalidParams", "%s takes one object of params, got %s", f.spec.name, v.kind())
	}
	return object{}
}

// positional reads the arguments of a workflow that takes several: each by its place, or one object that holds them by
// name. A key the object lacks is passed on as null, for the activity to judge; a place left out ends the run.
func (f *flow) positional(names []string, args ...Arg) []any {
	given := 0
	for i, a := range args {
		if !(value{a}).missing() {
			given = i + 1
		}
	}
	out := make([]any, len(names))
	if o, ok := (value{args[0]}).object(); given == 0 || given == 1 && ok {
		for i, name := range names {
			if j, ok := o[name]; ok {
				out[i] = j
			}
		}
		return out
	}
	for i, a := range args {
		if a.Payload() == nil {
			f.refuse("InvalidArguments", "%s takes %s in this order, or one object with these keys; %s is missing",
				f.spec.name, strings.Join(names, ", "), names[i])
			return out
		}
		out[i] = a
	}
	return out
}

// serviceName is the argument of a workflow that takes a service name. An object that holds nothing but service_name
// is the plain name its activities are documented with; one that holds more is passed whole, since a string could not
// carry the rest.
func serviceName(arg Arg) any {
	if o, ok := (value{arg}).object(); ok && len(o) == 1 && o.text("service_name") != "" {
		return o.text("service_name")
	}
	return arg
}

// validate applies the argument rule of the metrics and tracing pipelines: what is wrong is told by the result.
func (f *flow) validate(arg Arg) {
	o, ok := (value{arg}).object()
	if !ok {
		f.reply("Error: Invalid params provided")
	} else if o.text("service_name") == "" {
		f.reply("Error: service_name is required and must be string")
	}
}
