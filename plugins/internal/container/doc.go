// Package container keeps containers on a Docker engine as they are described:
// the one way in which every plugin group starts, stops and deletes them.
//
// [Engine.Ensure] takes a [Spec] and makes it so. Its lifecycle:
//
//  1. The container of that name is looked at. Same spec (label orch.spec, a
//     digest) and same image: it is left as it is, or started when it is stopped.
//  2. Otherwise image, networks and volumes are brought, and a container is
//     created under the name "<name>.next" and its files are copied in. So far
//     nothing that runs has been touched; a spec that the engine refuses ends here.
//  3. The running container is stopped and renamed to "<name>.prev"; the next
//     one gets the name and is started.
//  4. Ready is asked until the component says so. Only then "<name>.prev" is
//     removed. When the start or the readiness fails, the new container is
//     removed and the previous one put back and started.
//
// Invariants:
//
//   - Every step looks at the engine first and does one call; the state is in
//     names and labels, never in this process. A crash between any two calls
//     leaves a state from which another Ensure, here or on another host, goes on.
//   - A container has its final name only with all its files in place.
//   - Docker's unique names are the lock between hosts: whoever loses the race
//     for a name looks again and adopts what is there.
//   - What lacks our labels, or carries those of another service or component,
//     is never stopped, removed, renamed or overwritten: see [ForeignError].
//   - Secret values reach the engine, and nothing else: neither labels, digests,
//     errors nor log tails show them.
//   - An engine that goes away in the middle (a restart of Docker) is waited for;
//     one that never answered is an [UnreachableError] at once.
//
// A component of a group is a [Component]: its Spec and its names, in one short
// file; it gives the start, stop and delete activities.
package container
