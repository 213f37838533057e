// Package workflows holds the workflows every host runs: twelve pipelines and one composite of two of them.
//
// Their names, step order, retries, timeouts and result texts are public API. A client in any language starts them by
// type, and the activity types they call may be served by any worker on the queue. One file holds one workflow, written
// as the list of its steps.
//
// # How a run goes
//
//  1. begin registers the progress query and draws every step as pending.
//  2. step runs one activity on the workflow's own queue and records it. The first failure, cancellation or early answer
//     ends the flow: later steps do nothing and are recorded as skipped.
//  3. done undoes what was registered for undoing if the flow failed, and turns the state into the workflow's result.
//
// # Invariants
//
//   - Values the workflow does not read are passed on as the payload they came in: bytes and metadata untouched.
//   - A cancelled run ends Canceled, whatever the running activity answered to the cancellation.
//   - Activities are waited for when cancelled, so that one that owns a side effect has cleaned up before the run closes.
//   - Undo steps run in a disconnected context: cancelling a second time does not stop them, terminating does.
//   - Which commands a workflow issues depends on its input and its steps' results only. Every workflow has a recorded
//     history in testdata that must replay; a change that breaks running executions needs workflow.GetVersion.
//   - No workflow code touches search attributes: on a cluster that lacks one the workflow task would fail for ever.
//     Whoever starts a workflow sets them in the start options.
//   - Activity names hold no dots: the SDK's replay check compares only what follows the last one.
//
// # Arguments
//
// One JSON object of params, which may be null or left out. Workflows with positional arguments take these, or one
// object with the same keys. DatabasePipelineWorkflow takes a service name, or an object holding service_name.
//
// # The composite
//
// run_logs_pipeline_then_stdout_ingest starts LogsPipelineWorkflow and, when that has succeeded,
// ApplicationStdoutIngestWorkflow as children. See RunLogsPipelineThenStdoutIngest for its params.
package workflows
