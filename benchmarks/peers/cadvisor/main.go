// What cAdvisor's oomparser makes of captures of /dev/kmsg: `cadvisor FILE…` prints a JSON line for each kill.
// Without a file it watches the device until it is ended.
//
// The parser is cAdvisor's own, as the kubelet uses it; only where it reads from is ours.
package main

import (
	"encoding/json"
	"log"
	"os"
	"reflect"

	"github.com/google/cadvisor/utils/oomparser"

	"otel-oom-peers/capture"
)

// kill is what cAdvisor says. Cgroup is OomInstance.ContainerName: the kernel's task_memcg, where the victim lived.
type kill struct {
	File     string `json:"file"`
	Sequence int    `json:"sequence"`
	Pid      int    `json:"pid"`
	Comm     string `json:"comm"`
	Cgroup   string `json:"cgroup"`
}

// A report of the test's own at the end: when it comes out, nothing before it is still on its way. If a report of the
// capture is still open, its end closes that one instead; on a device it would wait for ever, so it is no kill either.
var end = []string{
	"end invoked oom-killer: gfp_mask=0x0, order=0, oom_score_adj=0\n",
	"oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/,task_memcg=/,task=end,pid=1,uid=0\n",
}

func main() {
	answers := json.NewEncoder(os.Stdout)
	if len(os.Args) == 1 {
		watch(answers)
	}
	for _, path := range os.Args[1:] {
		parser, last, err := capture.Open(path, end...)
		if err != nil {
			log.Fatal(err)
		}
		oomParser := &oomparser.OomParser{}
		parser.Set(reflect.ValueOf(oomParser), "parser")
		found := make(chan *oomparser.OomInstance)
		go oomParser.StreamOoms(found)
		for instance := range found {
			sequence := parser.Sequence(instance.TimeOfDeath)
			if sequence >= last {
				break
			}
			if err := answers.Encode(kill{path, sequence, instance.Pid, instance.ProcessName, instance.ContainerName}); err != nil {
				log.Fatal(err)
			}
		}
	}
}

// watch prints what the parser makes of the device: it reads the ring from its oldest record, and then what is new.
func watch(answers *json.Encoder) {
	oomParser, err := oomparser.New()
	if err != nil {
		log.Fatal(err)
	}
	found := make(chan *oomparser.OomInstance, 1)
	go oomParser.StreamOoms(found)
	for instance := range found {
		if err := answers.Encode(kill{"/dev/kmsg", 0, instance.Pid, instance.ProcessName, instance.ContainerName}); err != nil {
			log.Fatal(err)
		}
	}
}
