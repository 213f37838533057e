// Package e2e tests the built binaries of ../bin as a user has them: real host
// processes with their own state folders, the embedded Temporal server, plugin
// processes, and Docker where containers are concerned ("make build", and
// "make images" for the stand-ins of the databases).
//
// Every test has its own rig: folders, ports and service name. Whatever a rig
// started is ended, and removed from Docker, when its test ends. To stop a
// service in the middle of a step, the plugin is pointed at a gate before the
// Docker engine that holds one request until the test lets it go.
package e2e
