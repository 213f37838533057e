package statuspage

import (
	"bytes"
	"context"
	"image/png"
	"net/http"
	"net/http/httptest"
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
		"--user-data-dir=" + t.TempDir(), "--timeout=20000"}, args...)...)
	c.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", browser, err, stderr.String())
	}
	return out
}

// held serves the page with a style sheet at its end that arrives only after
// the services' state has changed: the browser takes its picture after that.
func held(s *site) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/status/held.css":
			for range 100 { // until the page's script listens
				s.page.live.mu.Lock()
				n := len(s.page.live.readers)
				s.page.live.mu.Unlock()
				if n > 0 {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			s.host.set("completed")
			s.host.mu.Lock()
			s.host.hosts = shared()
			s.host.mu.Unlock()
			time.Sleep(pollEvery + time.Second)
		case "/":
			page := httptest.NewRecorder()
			s.page.ServeHTTP(page, r)
			w.Header().Set("Content-Security-Policy", page.Header().Get("Content-Security-Policy"))
			_, _ = strings.NewReplacer("</body>", `<link rel="stylesheet" href="/status/held.css"></body>`).WriteString(w, page.Body.String())
		default:
			s.page.ServeHTTP(w, r)
		}
	}))
	s.t.Cleanup(func() { s.page.Close(); srv.Close() })
	return srv.URL
}

// measured serves the page with a script of ours that tells whether it fits.
func measured(s *site) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			s.page.ServeHTTP(w, r)
			return
		}
		page := httptest.NewRecorder()
		s.page.ServeHTTP(page, r)
		const script = `<script>document.body.dataset.fits = document.documentElement.scrollWidth <= innerWidth</script>`
		_, _ = strings.NewReplacer("/status/live.js", "/status/none.js", "</body>", script+"</body>").WriteString(w, page.Body.String())
	}))
	s.t.Cleanup(srv.Close)
	return srv.URL
}

func TestARealBrowserFollowsWhatHappens(t *testing.T) {
	s := newSite(t, Options{})
	dom := string(browse(t, "--dump-dom", held(s)+"/"))
	for _, want := range []string{">live<", "build_chat_image_activity", "&lt;script&gt;alert(1)&lt;/script&gt;", `state completed"`, `state away"`, "labels: gpu, rack-2"} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page in the browser lacks %q:\n%s", want, dom)
		}
	}
	if strings.Contains(dom, `state running"`) {
		t.Errorf("the browser still shows the state from before:\n%s", dom)
	}
}

func TestThePageFitsAPhoneAndADesktopInLightAndDark(t *testing.T) {
	s := newSite(t, Options{})
	s.host.hosts = shared()
	sizes := map[string]string{"phone": "--window-size=390,844", "desktop": "--window-size=1200,800"}
	shots := map[string][]byte{}
	for device, size := range sizes {
		if dom := string(browse(t, size, "--dump-dom", measured(s)+"/")); !strings.Contains(dom, `data-fits="true"`) {
			t.Errorf("%s: the page is wider than the window:\n%s", device, dom)
		}
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
