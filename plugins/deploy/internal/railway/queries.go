package railway

const (
	queryWorkspaces = `query workspaces { apiToken { workspaces { id name } } }`

	queryScope = `query scope { projectToken { projectId environmentId } }`

	queryProjects = `query projects($workspaceId: String, $after: String) {
  projects(workspaceId: $workspaceId, first: 50, after: $after) {
    edges { node { id name deletedAt description } }
    pageInfo { hasNextPage endCursor }
  }
}`

	queryProject = `query project($id: String!, $environments: String, $services: String) {
  project(id: $id) {
    id name description deletedAt
    environments(first: 100, after: $environments) { edges { node { id name } } pageInfo { hasNextPage endCursor } }
    services(first: 100, after: $services) { edges { node { id name deletedAt } } pageInfo { hasNextPage endCursor } }
  }
}`

	mutationProjectCreate = `mutation projectCreate($input: ProjectCreateInput!) {
  projectCreate(input: $input) { id name description environments(first: 100) { edges { node { id name } } } }
}`

	mutationServiceCreate = `mutation serviceCreate($input: ServiceCreateInput!) { serviceCreate(input: $input) { id name } }`

	queryVariables = `query variables($projectId: String!, $environmentId: String!, $serviceId: String) {
  variables(projectId: $projectId, environmentId: $environmentId, serviceId: $serviceId, unrendered: true)
}`

	mutationVariables = `mutation variableCollectionUpsert($input: VariableCollectionUpsertInput!) {
  variableCollectionUpsert(input: $input)
}`

	queryServiceInstance = `query serviceInstance($serviceId: String!, $environmentId: String!) {
  serviceInstance(serviceId: $serviceId, environmentId: $environmentId) {
    source { image repo }
    latestDeployment { id status }
  }
}`

	mutationServiceInstance = `mutation serviceInstanceUpdate($serviceId: String!, $environmentId: String, $input: ServiceInstanceUpdateInput!) {
  serviceInstanceUpdate(serviceId: $serviceId, environmentId: $environmentId, input: $input)
}`

	mutationDeploy = `mutation serviceInstanceDeployV2($serviceId: String!, $environmentId: String!) {
  serviceInstanceDeployV2(serviceId: $serviceId, environmentId: $environmentId)
}`

	queryDeployment = `query deployment($id: String!) {
  deployment(id: $id) { id status url staticUrl canRollback createdAt }
}`

	queryDeployments = `query deployments($input: DeploymentListInput!) {
  deployments(input: $input, first: 20) { edges { node { id status url staticUrl canRollback createdAt } } }
}`

	mutationRollback = `mutation deploymentRollback($id: String!) { deploymentRollback(id: $id) }`

	mutationCancel = `mutation deploymentCancel($id: String!) { deploymentCancel(id: $id) }`

	queryBuildLogs = `query buildLogs($deploymentId: String!, $limit: Int) {
  buildLogs(deploymentId: $deploymentId, limit: $limit) { timestamp message }
}`

	queryDeploymentLogs = `query deploymentLogs($deploymentId: String!, $limit: Int) {
  deploymentLogs(deploymentId: $deploymentId, limit: $limit) { timestamp message }
}`

	queryDomains = `query domains($projectId: String!, $environmentId: String!, $serviceId: String!) {
  domains(projectId: $projectId, environmentId: $environmentId, serviceId: $serviceId) {
    serviceDomains { domain } customDomains { domain }
  }
}`

	mutationDomainCreate = `mutation serviceDomainCreate($input: ServiceDomainCreateInput!) {
  serviceDomainCreate(input: $input) { domain }
}`
)

// Mutations are the texts of the operations that change something, for a plan that people read.
type Mutations struct{ ProjectCreate, ServiceCreate, Variables, ServiceInstance, Deploy, DomainCreate string }

// DeployMutations returns the mutations of a deployment.
func DeployMutations() Mutations {
	return Mutations{mutationProjectCreate, mutationServiceCreate, mutationVariables, mutationServiceInstance, mutationDeploy, mutationDomainCreate}
}
