// Package shipping reads what plugins that ship log files tell about it.
package shipping

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/docker/go-units"
)

// List is the activity that tells: a list of shipments.
const List = "list_log_shipments"

// Shipment is what is shown of an element of the answer.
type Shipment struct {
	Name   string
	Error  string
	Status struct {
		State, Endpoint string
		LastError       string
		LastErrorAt     time.Time
		CheckpointError string
		Metrics         struct {
			LinesAcked, DuplicatesBound uint64
			LagBytes                    int64
			LagSeconds                  float64
			Files                       int
			Retries, Refusals           map[string]uint64
		}
		Files []struct {
			Path         string
			Size, Offset int64
			LagBytes     int64
			LagSeconds   float64
			Lines        uint64
			Rotated      int
			Problem      string
			Removing     bool
		}
	}
}

// Decode reads the answer's JSON.
func Decode(answer []byte) ([]Shipment, error) {
	var all []Shipment
	if err := json.Unmarshal(answer, &all); err != nil {
		return nil, fmt.Errorf("%s answers what cannot be read: %w", List, err)
	}
	return all, nil
}

// State is how the shipment stands, in a word.
func (s Shipment) State() string { return cmp.Or(s.Status.State, "not started") }

// Behind is what is in files and not yet acknowledged, and for how long.
func (s Shipment) Behind() string {
	return Behind(s.Status.Metrics.LagBytes, s.Status.Metrics.LagSeconds)
}

// Refused is how many requests the receiver has refused for good.
func (s Shipment) Refused() (n uint64) {
	for _, k := range s.Status.Metrics.Refusals {
		n += k
	}
	return n
}

// Problem is what is wrong with the shipment, in words; "" when nothing is.
func (s Shipment) Problem() string {
	if s.Status.LastError != "" && time.Since(s.Status.LastErrorAt) > time.Minute && s.Status.Metrics.LagBytes == 0 {
		s.Status.LastError = "" // it has passed
	}
	return cmp.Or(s.Error, s.Status.CheckpointError, s.Status.LastError)
}

// Behind is a lag in words.
func Behind(bytes int64, seconds float64) string {
	if bytes == 0 {
		return "-"
	}
	return fmt.Sprintf("%s, %s", units.BytesSize(float64(bytes)), time.Duration(seconds*float64(time.Second)).Round(100*time.Millisecond))
}
