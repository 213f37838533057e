package render

import (
	"sort"
	"time"
)

// Owner is a workspace.
type Owner struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Service is a web service.
type Service struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	OwnerID   string `json:"ownerId"`
	Type      string `json:"type"`
	ImagePath string `json:"imagePath"`
	Repo      string `json:"repo"`
	Branch    string `json:"branch"`
	Suspended string `json:"suspended"`
	Dashboard string `json:"dashboardUrl"`
	Details   struct {
		URL             string `json:"url"`
		HealthCheckPath string `json:"healthCheckPath"`
		Plan            string `json:"plan"`
		Region          string `json:"region"`
		Runtime         string `json:"runtime"`
		NumInstances    int    `json:"numInstances"`
		ShutdownDelay   int    `json:"maxShutdownDelaySeconds"`
		EnvSpecific     struct {
			PreDeployCommand string `json:"preDeployCommand"`
		} `json:"envSpecificDetails"`
	} `json:"serviceDetails"`
}

// Image is where a service's image comes from.
type Image struct {
	OwnerID              string `json:"ownerId"`
	ImagePath            string `json:"imagePath"`
	RegistryCredentialID string `json:"registryCredentialId,omitempty"`
}

// EnvVar is an environment variable.
type EnvVar struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// ServiceInput creates a web service.
type ServiceInput struct {
	Type       string         `json:"type"`
	Name       string         `json:"name"`
	OwnerID    string         `json:"ownerId"`
	AutoDeploy string         `json:"autoDeploy"`
	Image      *Image         `json:"image,omitempty"`
	Repo       string         `json:"repo,omitempty"`
	Branch     string         `json:"branch,omitempty"`
	EnvVars    []EnvVar       `json:"envVars"`
	Details    ServiceDetails `json:"serviceDetails"`
}

// ServiceDetails are the settings of a web service.
type ServiceDetails struct {
	Runtime                 string  `json:"runtime,omitempty"`
	Plan                    string  `json:"plan,omitempty"`
	Region                  string  `json:"region,omitempty"` // only when creating
	HealthCheckPath         string  `json:"healthCheckPath,omitempty"`
	NumInstances            int     `json:"numInstances,omitempty"`     // only when creating
	PreDeployCommand        *string `json:"preDeployCommand,omitempty"` // empty: take out the one that is there
	MaxShutdownDelaySeconds int     `json:"maxShutdownDelaySeconds,omitempty"`
}

// ServicePatch changes a web service.
type ServicePatch struct {
	Image   *Image          `json:"image,omitempty"`
	Repo    string          `json:"repo,omitempty"`
	Branch  string          `json:"branch,omitempty"`
	Details *ServiceDetails `json:"serviceDetails,omitempty"`
}

// DeployInput says what to deploy. ImageURL and CommitID exclude each other.
type DeployInput struct {
	ImageURL string `json:"imageUrl,omitempty"`
	CommitID string `json:"commitId,omitempty"`
}

// Deploy is one deploy of a service.
type Deploy struct {
	ID        string    `json:"id"`
	Status    Status    `json:"status"`
	Trigger   string    `json:"trigger"`
	CreatedAt time.Time `json:"createdAt"`
	Image     *struct {
		Ref string `json:"ref"`
	} `json:"image"`
}

// Status is the state of a deploy. An unknown one means "wait".
type Status string

// Verdict is what a status means to somebody who waits.
type Verdict int

// The verdicts.
const (
	Waiting Verdict = iota
	Live
	Failed
	Superseded
)

// Verdict maps a status. A deactivated deploy was live once and has been replaced: that is no success for its owner.
func (s Status) Verdict() Verdict {
	switch s {
	case "live":
		return Live
	case "build_failed", "update_failed", "pre_deploy_failed", "canceled":
		return Failed
	case "deactivated":
		return Superseded
	}
	return Waiting
}

// Blueprint is a Blueprint that exists at Render.
type Blueprint struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"`
	Repo   string `json:"repo"`
	Branch string `json:"branch"`
}

// Validation is Render's opinion of a render.yaml.
type Validation struct {
	Valid  bool `json:"valid"`
	Errors []struct {
		Path   string `json:"path"`
		Error  string `json:"error"`
		Line   int    `json:"line"`
		Column int    `json:"column"`
	} `json:"errors"`
	Plan struct {
		Services     []string `json:"services"`
		Databases    []string `json:"databases"`
		KeyValue     []string `json:"keyValue"`
		EnvGroups    []string `json:"envGroups"`
		TotalActions int      `json:"totalActions"`
	} `json:"plan"`
}

func sortNewestFirst(d []Deploy) {
	sort.SliceStable(d, func(i, j int) bool { return d[i].CreatedAt.After(d[j].CreatedAt) })
}
