// Command standin-promtail stands in for Promtail, whose module is not
// published any more: it reads the part of Promtail's configuration that Orch
// writes, strictly, follows the files and pushes their lines to Loki.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

type config struct {
	Server struct {
		HTTPListenPort int    `yaml:"http_listen_port"`
		GRPCListenPort int    `yaml:"grpc_listen_port"`
		LogLevel       string `yaml:"log_level"`
	} `yaml:"server"`
	Positions struct {
		Filename string `yaml:"filename"`
	} `yaml:"positions"`
	Clients []struct {
		URL string `yaml:"url"`
	} `yaml:"clients"`
	ScrapeConfigs []struct {
		JobName       string `yaml:"job_name"`
		StaticConfigs []struct {
			Targets []string          `yaml:"targets"`
			Labels  map[string]string `yaml:"labels"`
		} `yaml:"static_configs"`
	} `yaml:"scrape_configs"`
}

func main() {
	log.SetFlags(0)
	path := flag.String("config.file", "", "configuration")
	check := flag.Bool("check-syntax", false, "check the configuration and end")
	flag.Parse()
	c, err := read(*path)
	if err != nil {
		log.Fatalf("Unable to parse config: %v", err)
	}
	if *check {
		return
	}
	positions := map[string]int64{}
	if text, err := os.ReadFile(c.Positions.Filename); err == nil {
		if err := yaml.Unmarshal(text, &positions); err != nil {
			log.Fatalf("%s: %v", c.Positions.Filename, err)
		}
	}
	http.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Ready") })
	go func() { log.Fatal(http.ListenAndServe(fmt.Sprintf(":%d", c.Server.HTTPListenPort), nil)) }()
	for range time.Tick(500 * time.Millisecond) {
		for _, s := range c.ScrapeConfigs {
			for _, static := range s.StaticConfigs {
				if err := follow(c.Clients[0].URL, static.Labels, positions); err != nil {
					log.Print(err)
				}
			}
		}
		text, err := yaml.Marshal(positions)
		if err == nil {
			err = os.WriteFile(c.Positions.Filename, text, 0o600)
		}
		if err != nil {
			log.Print(err)
		}
	}
}

func read(path string) (config, error) {
	var c config
	text, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		return c, err
	}
	if len(c.Clients) != 1 || c.Positions.Filename == "" {
		return c, fmt.Errorf("%s: want one client and positions.filename", path)
	}
	return c, nil
}

// follow pushes what is new in the files of one target.
func follow(url string, labels map[string]string, positions map[string]int64) error {
	files, err := filepath.Glob(labels["__path__"])
	if err != nil {
		return err
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		_, err = f.Seek(positions[name], io.SeekStart)
		text, readErr := io.ReadAll(io.LimitReader(f, 1<<20))
		f.Close()
		end := bytes.LastIndexByte(text, '\n') + 1
		if err != nil || readErr != nil || end == 0 {
			continue
		}
		stream := map[string]string{"filename": name}
		for k, v := range labels {
			if k != "__path__" {
				stream[k] = v
			}
		}
		var values [][2]string
		now := time.Now().UnixNano()
		for i, line := range bytes.Split(bytes.TrimSuffix(text[:end], []byte("\n")), []byte("\n")) {
			values = append(values, [2]string{strconv.FormatInt(now+int64(i), 10), string(line)})
		}
		body, err := json.Marshal(map[string]any{"streams": []any{map[string]any{"stream": stream, "values": values}}})
		if err != nil {
			return err
		}
		resp, err := http.Post(url, "application/json", bytes.NewReader(body))
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			return fmt.Errorf("%s answers %s", url, resp.Status)
		}
		positions[name] += int64(end)
	}
	return nil
}
