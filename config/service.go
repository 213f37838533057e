package config

// Service is one thing that a user starts and stops.
type Service struct {
	// Name is the table's key.
	Name string `toml:"-"`

	Description    string         `toml:"description" doc:"One line for people."`
	Workflow       string         `toml:"workflow" check:"id" doc:"Workflow type to start. A service has this, or 'pipeline', or only 'then'."`
	StopWorkflow   string         `toml:"stop_workflow" check:"id" doc:"Workflow type to run when the service is stopped, to take down what it set up."`
	Pipeline       string         `toml:"pipeline" check:"id" doc:"Name of a declared pipeline, in place of a workflow type: the file <name>.yaml in 'pipelines_dir' of [host]."`
	Params         map[string]any `toml:"params" doc:"Argument of the workflow. It becomes part of the history, so a secret must be a reference: 'env:NAME' or 'file:/path'."`
	Then           []string       `toml:"then" doc:"Services to start one after the other, each when the one before it has succeeded; the first when the workflow of this service has. Done by 'host start --wait' and 'host run'; a schedule and the status page start this service alone."`
	TaskQueue      string         `toml:"task_queue" check:"id" default:"<service>-queue" doc:"Temporal task queue. One queue serves one service."`
	Namespace      string         `toml:"namespace" check:"name" default:"that of [temporal]" doc:"Temporal namespace."`
	WorkflowID     string         `toml:"workflow_id" check:"id" default:"<service>_1" doc:"Workflow id of the one running execution."`
	MaxConcurrency int            `toml:"max_concurrency" min:"0" doc:"Activities of this service that this host runs at the same time. 0: no limit of its own."`
	Plugins        []string       `toml:"plugins" check:"name" default:"derived from the workflow" doc:"Plugin groups that must be ready before this host takes work for the service."`
	Placement      string         `toml:"placement" check:"label" default:"any" doc:"Where its activities run: on 'any' host that has their plugins; on the host with this name, or any one with this label; or on 'all' hosts that have the service: each run is then done once on every one of them. Keep it equal on all hosts."`
	Schedule       string         `toml:"schedule" check:"schedule" doc:"When to start it by itself: a cron expression such as '0 3 * * *' (a zone in front: 'CRON_TZ=Europe/Berlin 0 3 * * *'), or '@every 6h', or '@daily'."`
	WebUIURL       string         `toml:"web_ui_url" check:"url" default:"'web_ui' of [temporal]" doc:"Address of the Temporal Web UI of this service, for people."`
}

// Placements that are not the name of a host or a label.
const (
	PlacementAny = "any"
	PlacementAll = "all"
)

// WorkflowType is the type that a start of the service runs; empty when it only starts others.
func (s Service) WorkflowType() string {
	if s.Pipeline != "" {
		return "pipeline/" + s.Pipeline
	}
	return s.Workflow
}
