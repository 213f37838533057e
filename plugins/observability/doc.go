// Package observability is the plugin of logs, metrics and traces: the components as containers, and the finding,
// labelling and shipping of log files.
//
// # The stack
//
// The components (one file each) belong to a stack and not to a service, because the pipelines share one Grafana. A
// component is a part: image, arguments, files, ports, data folder, its own check of its configuration, reload and
// readiness. What the parts have in common is in stack.go; plugins/internal/container makes it so. The collector's
// configuration is the generated one merged with a piece of each service that had it read files or take OTLP
// (ingestion.go): these are files below collector/ in the plugin's state folder.
//
// # Shipments
//
// A shipment is a set of files with the receiver that they go to; a service has one. It is a folder below
// shipments/ in the plugin's state folder: shipment.json says what is wanted, beside it are the shipper's lock and
// checkpoint. Activities only write shipment.json; the keeper makes reality follow it, looks again every second, begins
// again what has failed, and does so from the first configuration on. So a shipment outlives the activity that began it, the plugin's process,
// a version swap (both versions see the same folders; the shipper's lock lets one of them read at a time, and the next
// one goes on from its checkpoint) and the host.
//
// # Invariants
//
//   - A configuration that its component refuses replaces nothing; one that it does not take up is taken back.
//   - What the collector has answered for is on disk until Loki has it.
//   - Nothing but stop_log_shipping ends a shipment; its checkpoint stays, so shipping again goes on where it ended.
//   - Labels belong to the file: label_enrichment_activity remembers them by path, since the workflow passes on only
//     the paths and the first file's labels.
package observability
