package observability

import (
	"time"

	"github.com/orch-host/orch/sdk"
)

// ingest lists the activities that find, label and ship logs.
func (g *group) ingest() []sdk.ActivityDef {
	once, brief := sdk.Idempotent(), sdk.Timeout(30*time.Second)
	return []sdk.ActivityDef{
		sdk.Activity("logs_configure_activity", "Checks and completes what is to be ingested: roots, include and exclude globs, labels, endpoint, sizes.", g.configureIngest, once, brief),
		sdk.Activity("add_loki_datasource_activity", "Makes Loki a datasource of Grafana, or corrects the one that is there.", g.addLokiDatasource, once, brief),
		sdk.Activity("discover_log_files_activity", "Lists the log files below the roots, by globs with **.", g.discoverFiles, once, sdk.Timeout(5*time.Minute)),
		sdk.Activity("discover_docker_logs_activity", "Lists the log files of running containers, with their names as labels.", g.discoverContainers, once, sdk.Timeout(time.Minute)),
		sdk.Activity("label_enrichment_activity", "Gives each file its labels: service, host, container, own rules.", g.enrich, once, brief),
		sdk.Activity("tail_and_ship_logs_activity", "Begins to ship files, or changes what is shipped; it goes on after the activity has returned.", g.ship, once, brief),
		sdk.Activity("stop_log_shipping", "Ends a shipment; shipping again goes on where it ended.", g.stopShipping, once, brief),
		sdk.Activity("list_log_shipments", "Lists what is shipped, how far it has come and what is wrong.", g.listShipments, once, brief),
	}
}
