package deploy

// Result is what the create, set, deploy and rollback activities report. A dry run reports the plan and no change.
type Result struct {
	Platform             string   `json:"platform"`
	AppName              string   `json:"app_name"`
	ProjectID            string   `json:"project_id,omitempty"`
	EnvironmentID        string   `json:"environment_id,omitempty"`
	ServiceID            string   `json:"service_id,omitempty"`
	DeploymentID         string   `json:"deployment_id,omitempty"`
	DeploymentURL        string   `json:"deployment_url,omitempty"`
	Image                string   `json:"image,omitempty"`
	PreviousImage        string   `json:"previous_image,omitempty"`
	PreviousDeploymentID string   `json:"previous_deployment_id,omitempty"`
	SecretsVersion       int64    `json:"secrets_version,omitempty"`
	DashboardURL         string   `json:"dashboard_url,omitempty"`
	Changed              bool     `json:"changed"`
	DryRun               bool     `json:"dry_run,omitempty"`
	Plan                 []string `json:"plan"` // what was done, or in a dry run what would be
	Warnings             []string `json:"warnings,omitempty"`
}
