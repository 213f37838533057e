// Package deploytest holds stateful stand-ins for the providers, for tests. A fake is only as good as its honesty, so every
// request and every answer of its own is checked against the provider's official schema, strictly: a field that the
// schema does not know fails the test on either side. What the schemas do not say (state machines, texts of refusals) is
// taken from vendor sources, and is schema-faithful, not provider-verified.
//
// A Gate in front of each fake scripts what goes wrong: a fault at the nth call of an operation, or the death of the
// plugin at the nth call of all.
package deploytest
