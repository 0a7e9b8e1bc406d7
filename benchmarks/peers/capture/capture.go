// Package capture plays a recorded /dev/kmsg to the programs that would read the device.
//
// Both peers read through the Parser interface of github.com/euank/go-kmsg-parser; its own implementation opens
// /dev/kmsg and nothing else. This one reads a file, and makes of each record the message that the device's makes: all
// that follows the first ';', dictionary lines and the last newline included.
//
// Rules:
//   - A message's time is Begin plus its sequence number in microseconds: what a peer reports carries the time of the
//     message that it was made from, so a judge can tell which record that was.
//   - The channel is never closed: a device does not end, and both peers do something else when it does.
package capture

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/euank/go-kmsg-parser/kmsgparser"
)

// Parser is a kmsgparser.Parser of messages that are there already.
type Parser struct {
	begin    time.Time
	messages []kmsgparser.Message
}

var _ kmsgparser.Parser = (*Parser)(nil)

// Open reads a capture: the reads of /dev/kmsg, one after another. The messages in `last` follow its own; their
// sequence number is the one behind the capture's end, which it returns.
func Open(path string, last ...string) (*Parser, int, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, 0, err
	}
	parser := &Parser{begin: time.Now().Truncate(time.Second)}
	end := 0
	for _, record := range records(raw) {
		message, err := parse(record)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", path, err)
		}
		parser.add(message)
		end = max(end, message.SequenceNumber+1)
	}
	for _, text := range last {
		parser.add(kmsgparser.Message{Priority: 6, SequenceNumber: end, Message: text})
	}
	return parser, end, nil
}

// Sequence is the number of the record whose message has this time.
func (p *Parser) Sequence(at time.Time) int {
	return int(at.Sub(p.begin).Microseconds())
}

// Parse sends every message, and then nothing more.
func (p *Parser) Parse() <-chan kmsgparser.Message {
	output := make(chan kmsgparser.Message, 1) // as the device's
	go func() {
		for _, message := range p.messages {
			output <- message
		}
	}()
	return output
}

// SeekEnd does nothing: no peer calls it on a parser that works.
func (p *Parser) SeekEnd() error { return nil }

// SetLogger does nothing: there is nothing to say.
func (p *Parser) SetLogger(kmsgparser.Logger) {}

// Close does nothing: the file is closed already.
func (p *Parser) Close() error { return nil }

// Set puts the parser into a field that its package does not export; `owner` is a pointer to a struct.
func (p *Parser) Set(owner reflect.Value, field string) {
	place := owner.Elem().FieldByName(field)
	reflect.NewAt(place.Type(), unsafe.Pointer(place.UnsafeAddr())).Elem().Set(reflect.ValueOf(p))
}

func (p *Parser) add(message kmsgparser.Message) {
	message.Timestamp = p.begin.Add(time.Duration(message.SequenceNumber) * time.Microsecond)
	p.messages = append(p.messages, message)
}

// A line that begins with a blank is of the dictionary of the record before it.
func records(raw []byte) [][]byte {
	var found [][]byte
	for _, line := range bytes.SplitAfter(raw, []byte("\n")) {
		if last := len(found) - 1; last >= 0 && bytes.HasPrefix(line, []byte(" ")) {
			found[last] = append(found[last][:len(found[last]):len(found[last])], line...)
		} else if len(line) > 0 {
			found = append(found, line)
		}
	}
	return found
}

func parse(record []byte) (kmsgparser.Message, error) {
	head, text, isRecord := strings.Cut(string(record), ";")
	columns := strings.Split(head, ",")
	if !isRecord || len(columns) < 3 {
		return kmsgparser.Message{}, fmt.Errorf("no record: %q", record)
	}
	priority, err := strconv.Atoi(columns[0])
	if err != nil {
		return kmsgparser.Message{}, err
	}
	sequence, err := strconv.Atoi(columns[1])
	if err != nil {
		return kmsgparser.Message{}, err
	}
	return kmsgparser.Message{Priority: priority, SequenceNumber: sequence, Message: text}, nil
}
