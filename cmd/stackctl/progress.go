package main

import (
	"fmt"
	"io"
	"sync"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/internal/text"
)

// progress writes lines that stay, and on a terminal one that does not.
type progress struct {
	lock     sync.Mutex
	out      io.Writer
	terminal bool
	shown    bool
}

func newProgress(out io.Writer) *progress {
	return &progress{out: out, terminal: cli.Terminal(out)}
}

// line writes what the provider says.
func (p *progress) line(said string) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.wipe()
	fmt.Fprintln(p.out, text.Clean(said))
}

// show replaces the line that does not stay.
func (p *progress) show(state string) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if !p.terminal {
		return
	}
	p.wipe()
	state = text.Clean(state)
	fmt.Fprint(p.out, text.Clip(state, cli.Width(p.out)-1))
	p.shown = true
}

func (p *progress) clear() {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.wipe()
}

func (p *progress) wipe() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
	p.shown = false
}
