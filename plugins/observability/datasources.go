package observability

import (
	"cmp"
	"fmt"
)

// uids are the datasources' ids by type, in the Grafana that is set up.
type uids map[string]string

// ownUIDs are those that we give to datasources that we make.
func ownUIDs() uids {
	return uids{"loki": "orch-loki", "prometheus": "orch-prometheus", "jaeger": "orch-jaeger"}
}

// addresses are the components' URLs by type, as Grafana reaches them.
type addresses map[string]string

// insideStack is how the stack's own Grafana reaches the components.
func insideStack() addresses {
	return addresses{
		"loki":       fmt.Sprintf("http://%s:%d", lokiName, lokiPort),
		"prometheus": fmt.Sprintf("http://%s:%d", prometheusName, prometheusPort),
		"jaeger":     fmt.Sprintf("http://%s:%d", jaegerName, jaegerUI),
	}
}

// outsideStack is how another Grafana does.
func outsideStack(c Config) addresses {
	local := func(port, standard int) string { return c.local(cmp.Or(port, standard)) }
	return addresses{
		"loki":       cmp.Or(c.Loki.URL, local(c.Loki.Port, lokiPort)),
		"prometheus": cmp.Or(c.Prometheus.URL, local(c.Prometheus.Port, prometheusPort)),
		"jaeger":     cmp.Or(c.Jaeger.URL, local(c.Jaeger.Port, jaegerUI)),
	}
}

// datasource is one as it shall be.
type datasource struct {
	Name, Type, UID, Access, URL string
	JSONData                     object
}

// datasources links the three: from a log line to its trace, from a span to
// the logs of its service at that time. Keys of the links: Grafana's
// provisioning documentation of each datasource.
func datasources(at addresses, id uids) []datasource {
	return []datasource{
		{Name: "Loki", Type: "loki", UID: id["loki"], Access: "proxy", URL: at["loki"], JSONData: object{
			"derivedFields": []object{{
				"name": "Trace", "matcherType": "label", "matcherRegex": "trace_id", "url": "${__value.raw}",
				"datasourceUid": id["jaeger"], "urlDisplayLabel": "Show the trace",
			}},
		}},
		{Name: "Prometheus", Type: "prometheus", UID: id["prometheus"], Access: "proxy", URL: at["prometheus"], JSONData: object{
			"timeInterval":                "15s",
			"httpMethod":                  "POST",
			"exemplarTraceIdDestinations": []object{{"name": "trace_id", "datasourceUid": id["jaeger"]}},
		}},
		{Name: "Jaeger", Type: "jaeger", UID: id["jaeger"], Access: "proxy", URL: at["jaeger"], JSONData: object{
			"nodeGraph": object{"enabled": true},
			"tracesToLogsV2": object{
				"datasourceUid": id["loki"], "spanStartTimeShift": "-5m", "spanEndTimeShift": "5m", "filterByTraceID": true,
				"tags": []object{{"key": "service.name", "value": "service_name"}},
			},
		}},
	}
}
