// Package chat is the activity group that sets up, upgrades and cleans up the
// LLM chat application: its Neo4j, the check of its Cloudflare dependency, its
// image, its container, and the AI proxy beside it.
//
// # The life of an application
//
//  1. build: the context folder is read as docker build reads it (.dockerignore),
//     and its content gives the image's tag, so that what has not changed is not
//     built again. The image is also tagged "candidate".
//  2. run: a container of the candidate is started beside the one that serves;
//     its name carries a digest of all that makes it. The front, a small proxy
//     that holds the application's port on the host and its alias "chat" in the
//     service's network, is there before it.
//  3. check: the candidate is asked until it is healthy. Then the front switches
//     to it, waits for requests that the one before is still answering, and that
//     one is removed with its image.
//
// Until the switch nothing that serves has been touched. What runs is told from
// names, labels and the front's own state: a crash between any two calls leaves
// something from which the same activities go on.
package chat
