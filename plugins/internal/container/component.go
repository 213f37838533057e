package container

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/orch-host/orch/sdk"
)

// Component describes one kind of container of a group. Fill in Name, Title
// and Plan, and [Component.Activities] offers its start, stop and delete.
type Component struct {
	Group *Group
	Name  string // part of the container's name, and orch.component: "neo4j"
	Title string // for people: "Neo4j"

	// Shared, when set, names what the container belongs to in place of the
	// service: all services then have one.
	Shared func() string
	// KeptBy is a workflow type whose stop and delete steps leave the container
	// to the start step that follows: start replaces it only when something has
	// changed, and puts it back when its successor fails. Default: none.
	KeptBy string
	// SharedNetworks are removed with the last container in them (see Ref).
	SharedNetworks []string

	// Names of the activities. Default start_<Name>_container and so on.
	StartName, StopName, DeleteName string
	// Timeout suggests the limit of one attempt. Default 5 min.
	Timeout time.Duration

	// Plan gives the container for a service, from the configuration in force
	// and the activity's input. Service, Component and the service's network
	// are filled in when the spec leaves them out.
	Plan func(ctx context.Context, service string) (Plan, error)
	// Purged, when set, is called after the data of a service was purged.
	Purged func(ctx context.Context, service string) error
}

// Plan is a component's container for one service.
type Plan struct {
	Spec Spec
	URLs []URL
	// CredentialsFile is where the generated password is, if there is one.
	CredentialsFile string
}

// URL names an address at which the component is used.
type URL struct {
	Name   string // "bolt"
	Scheme string // "bolt"; "": host:port alone
	Port   int    // the container's
}

// StartInput of a start activity.
type StartInput struct {
	ServiceName string `json:"service_name,omitempty" jsonschema:"service that the container belongs to; default: the service of the task queue"`
	Image       string `json:"image,omitempty" jsonschema:"another image than the configured one"`
}

// StopInput of a stop activity.
type StopInput struct {
	ServiceName string `json:"service_name,omitempty" jsonschema:"service that the container belongs to; default: the service of the task queue"`
}

// DeleteInput of a delete activity.
type DeleteInput struct {
	ServiceName string `json:"service_name,omitempty" jsonschema:"service that the container belongs to; default: the service of the task queue"`
	Purge       bool   `json:"purge,omitempty" jsonschema:"remove its volumes too, and with them its data"`
}

// StartOutput of a start activity.
type StartOutput struct {
	ContainerID     string            `json:"container_id"`
	Name            string            `json:"name"`
	Image           string            `json:"image"`
	Action          Action            `json:"action" jsonschema:"created, started, replaced, reloaded or unchanged"`
	Changed         bool              `json:"changed"`
	Endpoints       map[string]string `json:"endpoints"`
	Volumes         []string          `json:"volumes,omitempty"`
	CredentialsFile string            `json:"credentials_file,omitempty" jsonschema:"file that holds the generated password"`
	StandIn         bool              `json:"standin,omitempty" jsonschema:"the image only stands in for the real one and stores nothing of value"`
}

// StopOutput of a stop activity.
type StopOutput struct {
	Name        string `json:"name"`
	ContainerID string `json:"container_id,omitempty"`
	Action      string `json:"action" jsonschema:"stopped, unchanged, absent, or kept for the start step that follows"`
	Changed     bool   `json:"changed"`
}

// DeleteOutput of a delete activity.
type DeleteOutput struct {
	Name            string   `json:"name"`
	Action          string   `json:"action" jsonschema:"deleted, absent, or kept for the start step that follows"`
	Changed         bool     `json:"changed"`
	KeptVolumes     []string `json:"kept_volumes,omitempty" jsonschema:"volumes that hold its data; purge removes them"`
	RemovedVolumes  []string `json:"removed_volumes,omitempty"`
	RemovedNetworks []string `json:"removed_networks,omitempty"`
}

// Activities are the component's start, stop and delete.
func (c Component) Activities() []sdk.ActivityDef {
	opts := []sdk.ActivityOption{sdk.Idempotent(), sdk.Timeout(cmp.Or(c.Timeout, 5*time.Minute)), sdk.HeartbeatEvery(30 * time.Second)}
	title := cmp.Or(c.Title, c.Name)
	return []sdk.ActivityDef{
		sdk.Activity(cmp.Or(c.StartName, "start_"+c.Name+"_container"),
			fmt.Sprintf("Makes %s run as configured and waits until it is ready. What is as it should be is left alone.", title), c.Start, opts...),
		sdk.Activity(cmp.Or(c.StopName, "stop_"+c.Name+"_container"),
			fmt.Sprintf("Stops %s; its data stays. Fine when it does not run.", title), c.Stop, opts...),
		sdk.Activity(cmp.Or(c.DeleteName, "delete_"+c.Name+"_container"),
			fmt.Sprintf("Removes the container of %s; its data stays unless purge is set. Fine when there is none.", title), c.Delete, opts...),
	}
}

// Start is the start activity.
func (c Component) Start(ctx context.Context, in StartInput) (StartOutput, error) {
	engine, service, err := c.begin(ctx, in.ServiceName)
	if err != nil {
		return StartOutput{}, Failure(err)
	}
	plan, err := c.Plan(ctx, service)
	if err != nil {
		return StartOutput{}, fmt.Errorf("plan %s for service %s: %w", c.Name, service, err)
	}
	spec := c.spec(service, plan)
	if c.Shared == nil { // what several services have is not one of theirs to choose
		spec.Image = cmp.Or(in.Image, spec.Image)
	}
	res, err := engine.Ensure(ctx, spec)
	if err != nil {
		return StartOutput{}, Failure(err)
	}
	out := StartOutput{
		ContainerID: res.ID, Name: res.Name, Image: res.Image, Action: res.Action, Changed: res.Changed,
		Endpoints: map[string]string{}, Volumes: res.Volumes, CredentialsFile: plan.CredentialsFile, StandIn: res.StandIn,
	}
	for _, u := range plan.URLs {
		addr := res.Endpoints.Addr(u.Port)
		if u.Scheme != "" {
			addr = u.Scheme + "://" + addr
		}
		out.Endpoints[u.Name] = addr
	}
	log := sdk.Logger(ctx)
	if res.StandIn {
		log.Warn("this image only stands in for the real one", "component", c.Name, "image", res.Image)
	}
	log.Info("container is ready", "container", res.Name, "action", res.Action, "image", res.Image)
	return out, nil
}

// spec fills in what a plan leaves to its component.
func (c Component) spec(service string, plan Plan) Spec {
	spec := plan.Spec
	spec.Service, spec.Component = service, c.Name
	if spec.Networks == nil {
		spec.Networks = []Network{{Name: ServiceNetwork(service), Aliases: []string{c.Name}}}
	}
	return spec
}

// Verify has the component check a plan's files; nothing is changed.
func (c Component) Verify(ctx context.Context, plan Plan) error {
	engine, service, err := c.begin(ctx, "")
	if err == nil {
		if err = engine.Verify(ctx, c.spec(service, plan)); outage(err) && ctx.Err() == nil {
			err = engine.unreachable(err)
		}
	}
	return Failure(err)
}

// Stop is the stop activity.
func (c Component) Stop(ctx context.Context, in StopInput) (StopOutput, error) {
	engine, service, err := c.begin(ctx, in.ServiceName)
	if err != nil {
		return StopOutput{}, Failure(err)
	}
	if c.kept(ctx) {
		return StopOutput{Name: ContainerName(service, c.Name), Action: "kept"}, nil
	}
	res, err := engine.Stop(ctx, Ref{Service: service, Component: c.Name, SharedNetworks: c.SharedNetworks})
	if err != nil {
		return StopOutput{}, Failure(err)
	}
	out := StopOutput{Name: res.Name, ContainerID: res.ID, Changed: res.Changed, Action: "unchanged"}
	switch {
	case res.Changed:
		out.Action = "stopped"
	case res.ID == "":
		out.Action = "absent"
	}
	return out, nil
}

// Delete is the delete activity.
func (c Component) Delete(ctx context.Context, in DeleteInput) (DeleteOutput, error) {
	engine, service, err := c.begin(ctx, in.ServiceName)
	if err != nil {
		return DeleteOutput{}, Failure(err)
	}
	if c.kept(ctx) && !in.Purge {
		return DeleteOutput{Name: ContainerName(service, c.Name), Action: "kept"}, nil
	}
	res, err := engine.Delete(ctx, Ref{Service: service, Component: c.Name, SharedNetworks: c.SharedNetworks}, DeleteOptions{Purge: in.Purge})
	if err != nil {
		return DeleteOutput{}, Failure(err)
	}
	if in.Purge && c.Purged != nil {
		if err := c.Purged(ctx, service); err != nil {
			return DeleteOutput{}, fmt.Errorf("forget %s of service %s: %w", c.Name, service, err)
		}
	}
	out := DeleteOutput{
		Name: res.Name, Action: "absent", Changed: res.Changed,
		KeptVolumes: res.KeptVolumes, RemovedVolumes: res.RemovedVolumes, RemovedNetworks: res.RemovedNetworks,
	}
	if res.Changed {
		out.Action = "deleted"
	}
	return out, nil
}

// begin finds the engine and the service, and refuses names that cannot work
// before anything is made from them.
func (c Component) begin(ctx context.Context, service string) (*Engine, string, error) {
	service = cmp.Or(service, sdk.GetInfo(ctx).Service)
	if c.Shared != nil {
		service = c.Shared()
	}
	if err := checkRef(service, c.Name, ContainerName(service, c.Name)); err != nil {
		return nil, "", err
	}
	engine, err := c.Group.Engine()
	return engine, service, err
}

func (c Component) kept(ctx context.Context) bool {
	return c.KeptBy != "" && sdk.GetInfo(ctx).WorkflowType == c.KeptBy
}
