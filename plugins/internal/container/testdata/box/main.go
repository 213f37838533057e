// Command box is the process in the containers of this package's tests.
//
//	box serve TEXT [DELAY]   answers TEXT on :8080 after DELAY, until SIGTERM
//	box file PATH            answers the content of PATH on :8080; does not start with "bad" in it
//	box write PATH TEXT      writes the file and answers its content on :8080
//	box env NAME             answers the variable on :8080
//	box exit CODE LINE...    prints the lines and exits
//	box hang                 does nothing, until SIGTERM
//
// A server that is asked for /crash exits.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	args := append(os.Args[1:], "", "", "")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	answer := func() string { return args[1] }
	switch args[0] {
	case "exit":
		for _, line := range os.Args[3:] {
			fmt.Println(line)
		}
		code, _ := strconv.Atoi(args[1])
		os.Exit(code)
	case "hang":
		fmt.Println("hanging")
		<-stop
		return
	case "write":
		if err := os.WriteFile(args[1], []byte(args[2]), 0o600); err != nil {
			fmt.Println(err)
			os.Exit(8)
		}
		fallthrough
	case "file":
		if data, _ := os.ReadFile(args[1]); string(data) == "bad" {
			fmt.Println("bad content")
			os.Exit(6)
		}
		answer = func() string {
			data, err := os.ReadFile(args[1])
			if err != nil {
				return err.Error()
			}
			return string(data)
		}
	case "env":
		answer = func() string { return os.Getenv(args[1]) }
	}
	delay, _ := time.ParseDuration(args[2]) // 0 for what is none
	go func() {
		time.Sleep(delay)
		fmt.Println("listening")
		err := http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/crash" {
				os.Exit(7)
			}
			fmt.Fprint(w, answer())
		}))
		fmt.Println(err)
		os.Exit(9)
	}()
	<-stop
}
