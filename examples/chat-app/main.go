// Command chat-app is a small chat web service: a page, an API that streams
// answers, and a health check. It stands for your own application in the
// README and in the tests of the chat group.
//
// With AI_BASE_URL (an OpenAI-compatible endpoint such as the AI proxy,
// http://ai-proxy:4000/v1) a model answers; without it the application repeats
// what it was told.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

var version = "1" // set with -ldflags "-X main.version=..."

//go:embed page.html
var page string

func main() {
	if len(os.Args) > 1 && os.Args[1] == "fail" { // a version that does not start, for tests
		slog.Error("chat-app cannot start", "version", version)
		os.Exit(3)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	mux := http.NewServeMux()
	tmpl := template.Must(template.New("page").Parse(page))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = tmpl.Execute(w, map[string]string{"Version": version})
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "ok version %s\n", version) })
	mux.HandleFunc("POST /api/chat", chat)
	server := &http.Server{Addr: ":" + cmp.Or(os.Getenv("PORT"), "8080"), Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.Background(), 8*time.Second)
		defer cancel()
		_ = server.Shutdown(last)
	}()
	slog.Info("chat-app serves", "version", version, "address", server.Addr, "neo4j", os.Getenv("NEO4J_URI"))
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		slog.Error("chat-app ended", "error", err)
		os.Exit(1)
	}
}

// chat answers {"message": "..."} with a stream of text.
func chat(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Message string `json:"message"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&in); err != nil || strings.TrimSpace(in.Message) == "" {
		http.Error(w, `want {"message": "..."}`, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	say := func(text string) {
		_, _ = io.WriteString(w, text)
		_ = http.NewResponseController(w).Flush()
	}
	if os.Getenv("AI_BASE_URL") == "" {
		for _, word := range strings.Fields("You said: " + in.Message) {
			say(word + " ")
		}
		return
	}
	if err := ask(r.Context(), in.Message, say); err != nil {
		slog.Error("the model does not answer", "error", err)
		say("(the model does not answer)")
	}
}

// ask streams the model's answer, in the format of OpenAI's chat completions.
func ask(ctx context.Context, message string, say func(string)) error {
	body, err := json.Marshal(map[string]any{
		"model": cmp.Or(os.Getenv("AI_MODEL"), "default"), "stream": true,
		"messages": []map[string]string{{"role": "user", "content": message}},
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(os.Getenv("AI_BASE_URL"), "/")+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+os.Getenv("AI_API_KEY"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok || data == "[DONE]" {
			continue
		}
		var part struct {
			Choices []struct {
				Delta struct {
					Content string `json:"content"`
				} `json:"delta"`
			} `json:"choices"`
		}
		if err := json.Unmarshal([]byte(data), &part); err != nil {
			return err
		}
		for _, c := range part.Choices {
			say(c.Delta.Content)
		}
	}
	return lines.Err()
}
