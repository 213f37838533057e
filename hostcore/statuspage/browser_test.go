package statuspage

import (
	"bytes"
	"context"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// browse has Chromium load a page and returns what it prints.
func browse(t *testing.T, args ...string) []byte {
	t.Helper()
	var browser string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		t.Skip("chromium not available: the status page is not tried in a browser")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, browser, append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--user-data-dir=" + t.TempDir(), "--timeout=4000"}, args...)...)
	c.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", browser, err, stderr.String())
	}
	return out
}

func TestARealBrowserFollowsWhatHappens(t *testing.T) {
	s := newSite(t, "")
	go func() {
		time.Sleep(time.Second)
		s.host.set("completed")
		time.Sleep(time.Second)
		s.host.set("failed")
	}()
	dom := string(browse(t, "--dump-dom", s.url+"/"))
	for _, want := range []string{">live<", "build_chat_image_activity", "&lt;script&gt;alert(1)&lt;/script&gt;"} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page in the browser lacks %q:\n%s", want, dom)
		}
	}
	if strings.Contains(dom, `state running"`) {
		t.Errorf("the browser still shows the state from before:\n%s", dom)
	}
}

func TestThePageFitsAPhoneAndADesktopInLightAndDark(t *testing.T) {
	s := newSite(t, "")
	sizes := map[string]string{"phone": "--window-size=390,844", "desktop": "--window-size=1200,800"}
	shots := map[string][]byte{}
	for device, size := range sizes {
		for _, scheme := range []string{"light", "dark"} {
			file := filepath.Join(t.TempDir(), "shot.png")
			args := []string{size, "--hide-scrollbars", "--screenshot=" + file, s.url + "/"}
			if scheme == "dark" {
				args = append([]string{"--blink-settings=preferredColorScheme=0"}, args...)
			}
			browse(t, args...)
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			shots[device+scheme] = data
			img, err := png.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			r, g, b, _ := img.At(img.Bounds().Dx()-2, img.Bounds().Dy()/2).RGBA()
			if dark := r+g+b < 3*0x6000; dark != (scheme == "dark") {
				t.Errorf("%s, %s: the background is %x %x %x: is the style sheet in force?", device, scheme, r>>8, g>>8, b>>8)
			}
		}
	}
	if dir := os.Getenv("ORCH_SCREENSHOTS"); dir != "" {
		for name, data := range shots {
			if err := os.WriteFile(filepath.Join(dir, "status-"+name+".png"), data, 0o644); err != nil {
				t.Error(err)
			}
		}
	}
}
