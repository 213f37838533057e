package railway

import (
	"sort"
	"time"
)

// Ref is an object with a name.
type Ref struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// Project is a project with what lives in it.
type Project struct {
	Ref
	Deleted      bool
	Environments []Ref
	Services     []Ref
}

// Target names one service in one environment.
type Target struct{ ProjectID, EnvironmentID, ServiceID string }

func (t Target) service() map[string]any {
	return map[string]any{"serviceId": t.ServiceID, "environmentId": t.EnvironmentID}
}

// Instance is what a service runs in an environment.
type Instance struct {
	Source *struct {
		Image string `json:"image"`
		Repo  string `json:"repo"`
	} `json:"source"`
	Latest *struct {
		ID     string `json:"id"`
		Status Status `json:"status"`
	} `json:"latestDeployment"`
}

// LatestID returns the id of the newest deployment, empty before the first.
func (i Instance) LatestID() string {
	if i.Latest == nil {
		return ""
	}
	return i.Latest.ID
}

// Deployment is one deployment of a service.
type Deployment struct {
	ID          string    `json:"id"`
	Status      Status    `json:"status"`
	URL         string    `json:"url"`
	StaticURL   string    `json:"staticUrl"`
	CanRollback bool      `json:"canRollback"`
	CreatedAt   time.Time `json:"createdAt"`
}

// Status is the state of a deployment. New ones appear without notice: an unknown one means "wait".
type Status string

// Verdict is what a status means to somebody who waits.
type Verdict int

// The verdicts.
const (
	Waiting Verdict = iota
	Live
	Failed
	Superseded
	NeedsApproval
)

// Verdict maps a status.
func (s Status) Verdict() Verdict {
	switch s {
	case "SUCCESS", "SLEEPING":
		return Live
	case "FAILED", "CRASHED":
		return Failed
	case "REMOVED", "REMOVING", "SKIPPED":
		return Superseded
	case "NEEDS_APPROVAL":
		return NeedsApproval
	}
	return Waiting
}

type wireProject struct {
	Ref
	DeletedAt    *string `json:"deletedAt"`
	Environments edges   `json:"environments"`
	Services     edges   `json:"services"`
}

type pageInfo struct {
	HasNextPage bool    `json:"hasNextPage"`
	EndCursor   *string `json:"endCursor"`
}

// cursor is how far a list has been read.
type cursor struct {
	after any // nil at the beginning
	ended bool
}

// move goes behind a page. A page that claims to have a next one, but does not say where, is the last one.
func (c *cursor) move(p pageInfo) {
	if c.ended = c.ended || !p.HasNextPage || p.EndCursor == nil || c.after == *p.EndCursor; !c.ended {
		c.after = *p.EndCursor
	}
}

type edges struct {
	PageInfo pageInfo `json:"pageInfo"`
	Edges    []struct {
		Node struct {
			Ref
			DeletedAt *string `json:"deletedAt"`
		} `json:"node"`
	} `json:"edges"`
}

func (e edges) living() []Ref {
	var out []Ref
	for _, x := range e.Edges {
		if x.Node.DeletedAt == nil {
			out = append(out, x.Node.Ref)
		}
	}
	return out
}

func (p wireProject) plain() Project {
	return Project{Ref: p.Ref, Deleted: p.DeletedAt != nil, Environments: p.Environments.living(), Services: p.Services.living()}
}

func sortNewestFirst(d []Deployment) {
	sort.SliceStable(d, func(i, j int) bool { return d[i].CreatedAt.After(d[j].CreatedAt) })
}
