package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

func databasePipeline() spec {
	return spec{
		name:    "DatabasePipelineWorkflow",
		summary: "bring up Neo4j and Qdrant",
		retry:   plainRetry(), timeout: 5 * time.Minute,
		activities: []string{"start_neo4j_container", "start_qdrant_container"},
	}
}

// DatabasePipelineWorkflow brings up Neo4j and Qdrant. service is the service's name, or an object that holds it as
// service_name beside settings for the activities.
func DatabasePipelineWorkflow(ctx workflow.Context, service Arg) (string, error) {
	f := begin(ctx, databasePipeline())
	name := serviceName(service)
	f.step("start_neo4j_container", name)
	f.step("start_qdrant_container", name)
	return f.done("Database pipeline fully configured: Neo4j + Qdrant")
}
