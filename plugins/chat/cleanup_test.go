package chat

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAServiceNameThatIsNoFileNameIsRefused(t *testing.T) {
	s := newSite(t)
	victim := filepath.Join(s.state, "victim")
	if err := os.WriteFile(victim, []byte("of somebody else\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, activity := range []string{
		"build_chat_image_activity", "run_chat_container_activity", "check_chat_health_activity",
		"stop_chat_container_activity", "delete_chat_container_activity", "delete_chat_image_activity", "start_neo4j_dependency_activity",
	} {
		s.refused(activity, map[string]any{"service_name": "../victim", "image": neo4jImage}, `"../victim" cannot be part of a container name`)
	}
	s.refused("delete_chat_image_activity", map[string]any{"service_name": "../victim"}, `"../victim" cannot be part of a container name`)
	if _, err := os.Stat(victim); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.state, "*neo4j")); len(left) > 0 {
		t.Errorf("made: %v", left)
	}
}

func TestAPurgeTakesAwayTheVolumesThatTwoVersionsShare(t *testing.T) {
	s := newSite(t)
	s.configure(func(c map[string]any) { c["app"].(map[string]any)["volumes"] = map[string]any{"uploads": "/uploads"} })
	s.write("1")
	s.setup()
	s.write("2")
	do[BuildOutput](s, "build_chat_image_activity")
	do[RunOutput](s, "run_chat_container_activity") // beside the one that serves
	params := s.params()
	params["purge"] = true
	var out CleanupOutput
	if err := s.Run("delete_chat_container_activity", params).Decode(&out); err != nil || len(out.Containers) != 3 || len(out.RemovedVolumes) != 1 || len(out.KeptVolumes) != 0 {
		t.Errorf("%+v, %v, want both versions, the front and the volume gone", out, err)
	}
}
