package main

import (
	"fmt"
	"io"
	"sync"
	"unicode/utf8"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/report"
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
func (p *progress) line(text string) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.wipe()
	fmt.Fprintln(p.out, report.Clean(text))
}

// show replaces the line that does not stay.
func (p *progress) show(text string) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if !p.terminal {
		return
	}
	p.wipe()
	text = report.Clean(text)
	if width := cli.Width(p.out) - 1; utf8.RuneCountInString(text) > width {
		text = string([]rune(text)[:width-1]) + "…"
	}
	fmt.Fprint(p.out, text)
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
