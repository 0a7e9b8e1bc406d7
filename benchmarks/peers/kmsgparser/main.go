// What go-kmsg-parser makes of /dev/kmsg: `kmsgparser` prints a JSON line for each message with `Killed process`, from
// the end of the ring on. `kmsgparser LAST` reads the ring up to that sequence number, and prints the number of
// records and the nanoseconds of processor time.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/euank/go-kmsg-parser/kmsgparser"
)

// line is what the library says: the text behind the header, of whatever facility.
type line struct {
	Message string `json:"message"`
}

func main() {
	parser, err := kmsgparser.NewParser()
	if err != nil {
		log.Fatal(err)
	}
	if len(os.Args) > 1 {
		last, err := strconv.Atoi(os.Args[1])
		if err != nil {
			log.Fatal(err)
		}
		drain(parser.Parse(), last)
		return
	}
	if err := parser.SeekEnd(); err != nil {
		log.Fatal(err)
	}
	answers := json.NewEncoder(os.Stdout)
	for message := range parser.Parse() {
		if !strings.Contains(message.Message, "Killed process ") {
			continue
		}
		if err := answers.Encode(line{message.Message}); err != nil {
			log.Fatal(err)
		}
	}
}

// processorTime of all threads, in nanoseconds.
func processorTime() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func drain(messages <-chan kmsgparser.Message, last int) {
	begin := processorTime()
	records := 0
	for message := range messages {
		records++
		if message.SequenceNumber >= last {
			fmt.Println(records, processorTime()-begin)
			return
		}
	}
}
