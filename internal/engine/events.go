package engine

import (
	"context"
	"strings"
	"sync"

	"github.com/docker/compose/v5/pkg/api"
)

// events hands on what the library does, without its progress bars.
type events struct {
	to   func(line string)
	mu   sync.Mutex
	last map[string]string // line by resource
}

func (e *events) Start(context.Context, string) {}

func (e *events) Done(string, bool) {}

// On is called by many goroutines at once.
func (e *events) On(resources ...api.Resource) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range resources {
		line := strings.Join(strings.Fields(r.ID+" "+r.Text+" "+r.Details), " ")
		if e.last[r.ID] == line || line == "" {
			continue
		}
		if e.last == nil {
			e.last = map[string]string{}
		}
		e.last[r.ID] = line
		if e.to != nil {
			e.to(line)
		}
	}
}
