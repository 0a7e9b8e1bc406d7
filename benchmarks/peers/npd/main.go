// What node-problem-detector makes of captures of /dev/kmsg: `npd CONFIG FILE…` prints a JSON line for each event with
// the reason OOMKilling. Without a file it watches the device until it is ended.
//
// Its system log monitor is its own, with the kmsg watcher, the line buffer and the rules of the configuration file that
// it ships (config/kernel-monitor.json); only where the watcher reads from is ours.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"os"
	"reflect"

	"k8s.io/klog/v2"
	"k8s.io/node-problem-detector/pkg/systemlogmonitor"

	"otel-oom-peers/capture"
)

// event is what node-problem-detector says: the kernel's line, as one text.
type event struct {
	File     string `json:"file"`
	Sequence int    `json:"sequence"`
	Message  string `json:"message"`
}

// A line for another rule (TaskHung): when its event comes out, nothing before it is still on its way.
const end = "task end:1 blocked for more than 1 seconds.\n"

func main() {
	quiet()
	config := os.Args[1]
	answers := json.NewEncoder(os.Stdout)
	if len(os.Args) == 2 {
		watch(config, answers)
	}
	for _, path := range os.Args[2:] {
		parser, last, err := capture.Open(path, end)
		if err != nil {
			log.Fatal(err)
		}
		monitor := systemlogmonitor.NewLogMonitorOrDie(config)
		// *logMonitor holds the interface LogWatcher, and that the *kernelLogWatcher.
		watcher := reflect.ValueOf(monitor).Elem().FieldByName("watcher").Elem()
		parser.Set(watcher, "kmsgParser")
		statuses, err := monitor.Start()
		if err != nil {
			log.Fatal(err)
		}
		for isOver := false; !isOver; {
			for _, one := range (<-statuses).Events {
				sequence := parser.Sequence(one.Timestamp)
				isOver = isOver || sequence >= last
				if one.Reason != "OOMKilling" {
					continue
				}
				if err := answers.Encode(event{path, sequence, one.Message}); err != nil {
					log.Fatal(err)
				}
			}
		}
		monitor.Stop()
	}
}

// watch prints the events of the device: the watcher reads all records of the last five minutes, and then what is new.
func watch(config string, answers *json.Encoder) {
	statuses, err := systemlogmonitor.NewLogMonitorOrDie(config).Start()
	if err != nil {
		log.Fatal(err)
	}
	for status := range statuses {
		for _, one := range status.Events {
			if one.Reason != "OOMKilling" {
				continue
			}
			if err := answers.Encode(event{"/dev/kmsg", 0, one.Message}); err != nil {
				log.Fatal(err)
			}
		}
	}
}

// quiet leaves of the log what ends the program.
func quiet() {
	flags := flag.NewFlagSet("klog", flag.ExitOnError)
	klog.InitFlags(flags)
	for _, setting := range []string{"-logtostderr=false", "-stderrthreshold=FATAL"} {
		if err := flags.Parse([]string{setting}); err != nil {
			log.Fatal(err)
		}
	}
	klog.SetOutput(discard{})
}

type discard struct{}

func (discard) Write(text []byte) (int, error) { return len(text), nil }
