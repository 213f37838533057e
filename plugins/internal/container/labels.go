package container

import (
	"fmt"
	"strings"
)

// Labels by which containers, networks and volumes are known as ours.
const (
	LabelManaged   = "orch.managed"   // "true"
	LabelService   = "orch.service"   // the service it belongs to
	LabelComponent = "orch.component" // the component of that service
	LabelName      = "orch.name"      // a container's final name
	LabelSpec      = "orch.spec"      // digest of the spec a container was made from
	LabelOneShot   = "orch.oneshot"   // a throw-away container of Run
	LabelStandIn   = "orch.standin"   // on an image: "true" when it only stands in for the real one
)

const (
	suffixNext = ".next" // a container that is made ready to take over
	suffixPrev = ".prev" // the container that is put back when its successor fails
)

// owner identifies whose an object is.
type owner struct{ service, component string }

func (o owner) labels() map[string]string {
	return map[string]string{LabelManaged: "true", LabelService: o.service, LabelComponent: o.component}
}

// owns tells whether labels say that the object belongs to o.
func (o owner) owns(labels map[string]string) bool {
	return labels[LabelManaged] == "true" && labels[LabelService] == o.service && labels[LabelComponent] == o.component
}

// ownerOf describes the owner that labels name, for people.
func ownerOf(labels map[string]string) string {
	if labels[LabelManaged] != "true" {
		return "something that is not orch"
	}
	if c := labels[LabelComponent]; c != "" {
		return fmt.Sprintf("component %s of service %s", c, labels[LabelService])
	}
	return fmt.Sprintf("service %s", labels[LabelService])
}

// merged adds labels to the caller's own, which cannot use the orch. names
// above (Spec.normalized refuses them).
func merged(user map[string]string, ours map[string]string) map[string]string {
	all := make(map[string]string, len(user)+len(ours))
	for k, v := range user {
		all[k] = v
	}
	for k, v := range ours {
		all[k] = v
	}
	return all
}

func reservedLabel(name string) bool {
	switch name {
	case LabelManaged, LabelService, LabelComponent, LabelName, LabelSpec, LabelOneShot, LabelStandIn:
		return true
	}
	return strings.HasPrefix(name, "orch.spec")
}
