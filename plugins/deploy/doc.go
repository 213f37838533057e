// Package deploy is the plugin group that puts an application on Fly.io, Railway or Render and checks that it answers.
//
// # Life of a deployment
//
//  1. generate_deployment_configs_activity writes the files that describe the deployment (fly.toml, render.yaml,
//     railway.plan.json). Same input, same bytes.
//  2. The create and set activities make the app, project or service exist and hold its variables.
//  3. deploy_to_<platform>_activity brings the wanted image live and waits for the provider's verdict.
//  4. check_deployment_health_activity asks the deployed URL itself.
//  5. rollback_<platform>_activity brings the image or deployment back that ran before.
//
// # Invariants
//
//   - Every activity ensures: it reads first, changes what differs, and reports whether it changed anything.
//   - A second attempt never deploys twice, also when the first one was killed between any two calls and its heartbeats
//     are lost. What makes that so lives at the provider: on Fly in deterministic machine names and machine metadata, on
//     Railway and Render in one variable (ORCH_DEPLOY) that is written before a deployment is started and names the
//     deployment that was the newest then. Heartbeats only save calls.
//   - Every request is sent once. Temporal retries; the loops inside an activity wait for a verdict or for a machine's
//     lease, and repeat reads and the taking of the lease only.
//   - One run at a time deploys an app; a second one is refused with the id of the first.
//   - Secrets come from [plugins.deploy.config] and are named, never given, in an input. No value reaches a result, a
//     heartbeat, a log line, an error, a generated file or a commit.
//   - dry_run reads, returns a plan and changes nothing.
package deploy
