package observability

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/orch-host/orch/plugins/observability/shipper"
	"github.com/orch-host/orch/sdk"
)

// ShipConfig is how logs travel; it holds for shipments that begin or change after it was set.
type ShipConfig struct {
	Compression    string `json:"compression,omitempty" jsonschema:"none, gzip or zstd; default gzip"`
	Senders        int    `json:"senders,omitempty" jsonschema:"requests in flight at most; default 2"`
	LinesPerSecond int    `json:"lines_per_second,omitempty" jsonschema:"default: no limit"`
	BytesPerSecond int    `json:"bytes_per_second,omitempty" jsonschema:"default: no limit"`
	// MetricsEndpoint gets the metrics of the shipments.
	MetricsEndpoint string `json:"metrics_endpoint,omitempty" jsonschema:"base URL of the OTLP/HTTP receiver that gets the shipments' metrics every 15 s; none: nobody; default the stack's collector"`
}

func (c ShipConfig) options() shipper.Options {
	return shipper.Options{Compression: shipper.Compression(cmp.Or(c.Compression, "gzip")), Senders: c.Senders,
		LinesPerSecond: c.LinesPerSecond, BytesPerSecond: c.BytesPerSecond,
		TooOld: shipper.TooOld{After: 6 * 24 * time.Hour}} // Loki refuses what is older than a week
}

func (c ShipConfig) check() error {
	if c.MetricsEndpoint != noMetrics {
		if err := checkURL("ship.metrics_endpoint", c.MetricsEndpoint); err != nil {
			return err
		}
	}
	o := c.options()
	o.Endpoint, o.StateDir = "http://localhost:4318", "/"
	if _, err := shipper.New(o); err != nil {
		return sdk.ConfigProblem("ship", "%v", err)
	}
	return nil
}

// Shipment is what is to be shipped.
type Shipment struct {
	Files                []string          `json:"files"`
	Labels               map[string]string `json:"labels,omitempty" jsonschema:"of files that label_enrichment_activity has not seen"`
	Protocol             string            `json:"protocol,omitempty" jsonschema:"otlp, the default: OTLP/HTTP with protobuf; otlp_json: with JSON"`
	Endpoint             string            `json:"endpoint,omitempty" jsonschema:"OTLP/HTTP receiver; default the stack's collector"`
	BatchSize            int               `json:"batch_size,omitempty"`
	FlushIntervalSeconds float64           `json:"flush_interval_seconds,omitempty"`
	TimeoutSeconds       float64           `json:"timeout_seconds,omitempty" jsonschema:"of one request; default 30"`
	Name                 string            `json:"name,omitempty" jsonschema:"default: the service's name"`
}

// Shipped is the answer to a shipment.
type Shipped struct {
	Status   string `json:"status"` // shipping, or nothing to ship
	Shipment string `json:"shipment"`
	Files    int    `json:"files"`
}

// ship makes the shipment what the input says: files that it does not name any more are shipped to where they end now.
// An input without files changes nothing, since nothing found may mean that a disk is not there yet.
func (g *group) ship(ctx context.Context, in Shipment) (Shipped, error) {
	name := cmp.Or(in.Name, sdk.GetInfo(ctx).Service, "default")
	done := Shipped{Status: "shipping", Shipment: name, Files: len(in.Files)}
	if len(in.Files) == 0 {
		done.Status = "nothing to ship"
		return done, nil
	}
	refuse := func(err error) (Shipped, error) {
		return done, &sdk.Error{Type: sdk.TypeInvalidInput, NonRetryable: true, Message: fmt.Sprintf("ship the logs of %s: %v", name, err), Err: err}
	}
	c := g.current()
	o := c.Ship.options()
	o.Endpoint, o.BatchLines = cmp.Or(in.Endpoint, c.otlp()), in.BatchSize
	o.FlushInterval, o.RequestTimeout = seconds(in.FlushIntervalSeconds), seconds(in.TimeoutSeconds)
	switch in.Protocol {
	case "", "otlp":
	case "otlp_json":
		o.Encoding = shipper.JSON
	default:
		return refuse(fmt.Errorf("protocol %q is unknown: want otlp or otlp_json", in.Protocol))
	}
	known, err := g.enriched.load(sdk.StateDir(ctx))
	if err != nil {
		return done, err
	}
	w := wish{Name: name, Options: o}
	for _, p := range slices.Compact(slices.Sorted(slices.Values(in.Files))) {
		f := shipper.File{Path: p, Attributes: attributes(in.Labels)}
		if k, ok := known[p]; ok {
			f.Attributes, f.Format, f.Multiline = maps.Clone(k.Labels), shipper.Format(k.Format), k.Multiline.forShipper()
		}
		if f.Attributes["service.name"] == "" {
			f.Attributes["service.name"] = cmp.Or(sdk.GetInfo(ctx).Service, filepath.Base(filepath.Dir(p)))
		}
		w.Files = append(w.Files, f)
	}
	if err := w.check(); err != nil {
		return refuse(err)
	}
	return done, g.keeper.wishFor(w)
}

// Named names a shipment.
type Named struct {
	Name string `json:"name,omitempty" jsonschema:"default: the service's name"`
}

// stopShipping ends a shipment; one that is not there is ended already.
func (g *group) stopShipping(ctx context.Context, in Named) (Shipped, error) {
	name := cmp.Or(in.Name, sdk.GetInfo(ctx).Service, "default")
	done := Shipped{Status: "not shipping", Shipment: name}
	was, err := g.keeper.forget(ctx, name)
	if was {
		done.Status = "stopped"
	}
	return done, err
}

// Listed is a shipment as it stands.
type Listed struct {
	Name   string         `json:"name"`
	Status shipper.Status `json:"status"`
	Error  string         `json:"error,omitempty"`
}

func (g *group) listShipments(context.Context, any) ([]Listed, error) { return g.keeper.list(), nil }
