package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
	"github.com/orch-host/orch/sdk/sdktest"
)

func TestABlueprintWithASecretInItIsNeitherWrittenNorSent(t *testing.T) {
	f := deploytest.NewRender(t, findSpecs(t), canaryToken)
	dir := t.TempDir()
	r := newRun(t, map[string]any{"output_dir": dir, "render": map[string]any{"api_key": canaryToken, "api_url": f.URL}}, f)
	fail := r.do("create_render_blueprint_activity", renderApp(map[string]any{"env": map[string]string{"URL": canarySecret}}), nil)
	if fail == nil || fail.Type != "SecretInFiles" || !fail.Final || f.Count("POST /blueprints/validate") != 0 {
		t.Errorf("verdict %v", fail)
	}
	if all, _ := os.ReadDir(dir); len(all) > 0 {
		t.Errorf("written all the same: %v", all)
	}
}

// A format writes some characters in another way than they are, and what it makes of them is a secret still.
func TestASecretIsFoundHoweverAFormatWritesIt(t *testing.T) {
	for _, secret := range []string{"it's: a #secret", "a\"quoted\\secret", "two\nlines\nof it", "päss<wörd>&\u2028\r", "tab\tand\x01control"} {
		dir := t.TempDir()
		h := sdktest.Start(t, newDeployer(fast()).plugin("1.0.0"), sdktest.Config(map[string]any{"output_dir": dir, "secrets": map[string]any{"S": secret}}))
		for _, platform := range []string{"flyio", "railway", "render"} {
			o := h.Execute(sdktest.Call{Activity: "generate_deployment_configs_activity", Args: []any{everything(map[string]any{
				"platforms": []string{platform}, "secret_refs": nil, "env": map[string]string{"URL": "x" + secret + "y"}})}})
			if o.Failure.GetType() != "SecretInFiles" {
				t.Errorf("%q for %s: %v", secret, platform, o.Failure)
			}
		}
		if all, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(all) > 0 {
			t.Errorf("%q is in %v", secret, all)
		}
	}
}

func TestACommitMessageWithASecretIsRefused(t *testing.T) {
	f, r := newGitHub(t, "")
	for text, what := range map[string]string{"deploy with " + canarySecret: "secret", "deploy with ghp_" + strings.Repeat("a", 36): "GitHub token"} {
		fail := r.do("push_to_github_activity", pushIn(map[string]any{"commit_message": text}), nil)
		if fail == nil || fail.Type != "SecretInFiles" || !fail.Final || !strings.Contains(fail.Message, what) || len(f.Created) > 0 {
			t.Errorf("verdict %v, created %v", fail, f.Created)
		}
	}
}
