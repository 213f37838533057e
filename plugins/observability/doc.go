// Package observability is the plugin that finds the logs of applications and containers, labels them and ships them.
//
// # Shipments
//
// A shipment is a set of files with the receiver that they go to; a service has one. It is a folder below
// shipments/ in the plugin's state folder: shipment.json says what is wanted, beside it are the shipper's lock and
// checkpoint. Activities only write shipment.json; the keeper makes reality follow it, looks again every second, and
// does so from the first configuration on. So a shipment outlives the activity that began it, the plugin's process,
// a version swap (both versions see the same folders; the shipper's lock lets one of them read at a time, and the next
// one goes on from its checkpoint) and the host.
//
// # Invariants
//
//   - Nothing but stop_log_shipping ends a shipment; its checkpoint stays, so shipping again goes on where it ended.
//   - Labels belong to the file: label_enrichment_activity remembers them by path, since the workflow passes on only
//     the paths and the first file's labels.
package observability
