// Package pipeline runs workflows that are declared in files: a new workflow needs neither an edit nor a rebuild of the
// host. The language is described in docs/pipelines.md, examples stand in examples/pipelines.
//
// # How a definition lives
//
//  1. Load reads the files of a folder, checks them as a whole and gives a Set: the valid definitions, normalised (every
//     default written out), compiled and immutable. What is wrong is told with file, line and column, all at once.
//  2. A Registry holds the Set that new executions start from; Reload swaps it when files change.
//  3. Register gives a worker the one dynamic workflow that runs every type pipeline/<name>.
//  4. The first thing an execution does is to pin its definition: a side effect records schema version, interpreter
//     version, hash and the normalised definition in the history. From then on it needs no file: an edit, a removal or a
//     restart of the host changes nothing for it.
//  5. The interpreter runs the steps. Values are evaluated when a step begins, activities get the recorded options.
//
// # Invariants
//
//   - The interpreter is workflow code: which commands it issues depends on the pinned definition, the arguments and the
//     results only. A change of that behaviour needs a new InterpreterVersion, and histories in testdata must replay.
//   - Expressions see neither clock nor environment nor anything random. Maps are walked in the order of their keys, and
//     the cost of one expression is bounded.
//   - An execution that cannot be read by this host (newer schema, missing codec) blocks its workflow task until a host
//     that can takes it; it is not failed.
//   - A cancelled execution ends Canceled, whatever its activities answered, after what it did was taken back.
//   - Results nobody saves are not decoded, so that encrypted ones pass through.
package pipeline
