// Package databases is the plugin group of the databases: Neo4j and Qdrant,
// each as a container that is started, stopped and deleted by activities. One
// file per database says what its container looks like and how it tells that
// it is ready; plugins/internal/container does the rest.
package databases
