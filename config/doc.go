// Package config is orch.toml as Go types: what can be set, what it means, what it is when nobody sets it, and whether
// what somebody set makes sense.
//
// # Lifecycle
//
//  1. [Load] finds the file (see [Options]), parses it and remembers the line and column of every key.
//  2. Each source (file, ORCH_* environment, flags) is checked by itself against the types: unknown keys, wrong types,
//     values out of range. Relative paths and file: references become absolute here, because only the source knows what
//     they are relative to.
//  3. koanf merges the sources: defaults < file < environment < flags.
//  4. Settings that follow from others are filled in (a service's queue, the plugin folder, the address of the embedded
//     server), then the rules that span several keys are checked.
//  5. The caller gets a complete *[Config], or all [Problems] at once, each with its place and how to mend it.
//
// # Invariants
//
//   - The struct tags are the one source of truth: key name, documentation, limits, flag. The checks, [Schema], the
//     reference page (docs/configuration.md) and the flags are all derived from them.
//   - Nothing is contacted and no secret is read while loading. [Secret] and references in a plugin's table are resolved
//     by [Secret.Resolve] and [Plugin.ResolveConfig] at hand-over, and a Secret never prints.
//   - No setting is ignored in silence: a key, an ORCH_* variable or a flag that means nothing is a Problem.
//
// The Temporal ecosystem's own settings (TEMPORAL_ADDRESS and friends, profiles in temporal.toml) are not read here. The
// connection layer merges them below orch.toml: it asks [Config.IsSet] whether a [Temporal] key was set by the user, and
// only if not, takes the ecosystem's value before the default.
package config
