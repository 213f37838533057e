package observability

import (
	"slices"
	"time"

	"github.com/orch-host/orch/sdk"
)

// stack lists the activities of the components: start, stop and delete of
// each, and the set-up of a Grafana that runs elsewhere. Grafana has two starts,
// one for each pipeline that it was written for.
func (g *group) stack() []sdk.ActivityDef {
	return slices.Concat(
		g.collector().Activities(),  // start_, stop_, delete_opentelemetry_collector
		g.loki().Activities(),       // start_, stop_, delete_loki_activity
		g.prometheus().Activities(), // start_, stop_, delete_prometheus_container
		g.jaeger().Activities(),     // start_, stop_, delete_jaeger_container
		g.promtail().Activities(),   // start_, stop_, delete_promtail_activity
		g.grafana("").Activities(),  // start_, stop_, delete_grafana_container
		g.grafana("start_grafana_activity").Activities()[:1],
		[]sdk.ActivityDef{
			sdk.Activity("configure_grafana_activity", "Gives a Grafana that runs already the datasources and dashboards. What is as it should be is left alone.", g.configureGrafana, sdk.Idempotent(), sdk.Timeout(time.Minute)),
		},
	)
}

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
		sdk.Activity("generate_and_validate_config_activity", "Makes the collector's configuration that reads log files, from a template, and has the collector check it.", g.generateConfig, once, sdk.Timeout(5*time.Minute)),
		sdk.Activity("push_and_reload_activity", "Has the collector take a configuration up, or puts the one before back. It stays in force when the collector is started anew.", g.pushConfig, once, sdk.Timeout(5*time.Minute)),
		sdk.Activity("enable_otlp_receiver_activity", "Checks where applications send OTLP, and makes the collector's configuration for them.", g.enableOTLP, once, sdk.Timeout(5*time.Minute)),
		sdk.Activity("collect_and_route_otlp_activity", "Has the collector take it up, sends a record as an application would, and sees it arrive in Loki.", g.routeOTLP, once, sdk.Timeout(5*time.Minute)),
		sdk.Activity("remove_collector_ingest_activity", "Takes a service's piece of configuration out of the collector.", g.removeIngest, once, sdk.Timeout(5*time.Minute)),
		sdk.Activity("stop_log_shipping", "Ends a shipment; shipping again goes on where it ended.", g.stopShipping, once, brief),
		sdk.Activity("list_log_shipments", "Lists what is shipped, how far it has come and what is wrong.", g.listShipments, once, brief),
	}
}
