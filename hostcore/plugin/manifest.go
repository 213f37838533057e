package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/orch-host/orch/sdk/pluginv1"
)

const (
	maxActivities  = 1000
	maxSchemaBytes = 1 << 20
)

var (
	nameRE     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)
	activityRE = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_/-]{0,126}(@[0-9]+)?$`)
)

// CheckManifest refuses a manifest that the host could not work with; the
// error names the field.
func CheckManifest(m *pluginv1.Manifest) error {
	if !nameRE.MatchString(m.GetName()) {
		return fmt.Errorf("its manifest has the name %q: want a letter, then letters, digits, \"-\" or \"_\"", clip(m.GetName()))
	}
	if !nameRE.MatchString(m.GetGroup()) {
		return fmt.Errorf("its manifest has the group %q: want a letter, then letters, digits, \"-\" or \"_\"", clip(m.GetGroup()))
	}
	if _, err := semver.StrictNewVersion(strings.TrimPrefix(m.GetVersion(), "v")); err != nil {
		return fmt.Errorf("its manifest has the version %q, which is not a semantic version such as 1.2.0", clip(m.GetVersion()))
	}
	if len(m.GetActivities()) == 0 {
		return errors.New("its manifest offers no activity")
	}
	if len(m.GetActivities()) > maxActivities {
		return fmt.Errorf("its manifest offers %d activities, more than %d", len(m.GetActivities()), maxActivities)
	}
	if err := checkSchema("config_schema", m.GetConfigSchema()); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, a := range m.GetActivities() {
		if !activityRE.MatchString(a.GetName()) {
			return fmt.Errorf("its manifest has the activity name %q: want letters, digits, \"_\", \"-\" or \"/\" and no dot", clip(a.GetName()))
		}
		if seen[a.GetName()] {
			return fmt.Errorf("its manifest lists activity %q twice", a.GetName())
		}
		seen[a.GetName()] = true
		if err := checkSchema("input_schema of "+a.GetName(), a.GetInputSchema()); err != nil {
			return err
		}
		if err := checkSchema("output_schema of "+a.GetName(), a.GetOutputSchema()); err != nil {
			return err
		}
	}
	return nil
}

func checkSchema(what string, schema []byte) error {
	switch {
	case len(schema) > maxSchemaBytes:
		return fmt.Errorf("its manifest's %s has %d bytes, more than %d", what, len(schema), maxSchemaBytes)
	case len(schema) > 0 && !json.Valid(schema):
		return fmt.Errorf("its manifest's %s is not JSON", what)
	}
	return nil
}

func clip(s string) string { return s[:min(len(s), 80)] }

// Version is the manifest's version, parsed; CheckManifest has accepted it.
func Version(m *pluginv1.Manifest) *semver.Version {
	v, err := semver.NewVersion(m.GetVersion())
	if err != nil {
		return &semver.Version{}
	}
	return v
}
