package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"stackpolicy/internal/probe"
)

// Bounds of probes: an audit runs all of them at the same time.
const (
	maxProbes      = 64 // of all stacks together
	defaultStatus  = 200
	defaultWithin  = 2 * time.Second
	shortestWithin = 100 * time.Millisecond
	longestWithin  = 10 * time.Second
	maxAddress     = 500 // bytes
)

// Probe is a request to a running stack. It has exactly one of HTTP and TCP.
type Probe struct {
	HTTP   string        `yaml:"http"`   // URL of a GET request
	TCP    string        `yaml:"tcp"`    // HOST:PORT that must accept a connection
	Status int           `yaml:"status"` // the expected HTTP status; default 200
	Within time.Duration `yaml:"within"` // time for the whole answer; default 2s
}

// Question returns the probe in the form in which it is run.
func (p Probe) Question() probe.Probe {
	if p.HTTP == "" {
		return probe.Probe{Kind: probe.TCP, Address: p.TCP, Within: p.Within}
	}
	return probe.Probe{Kind: probe.HTTP, Address: p.HTTP, Status: p.Status, Within: p.Within}
}

func (p Probe) withDefaults() Probe {
	if p.Status == 0 && p.TCP == "" {
		p.Status = defaultStatus
	}
	if p.Within == 0 {
		p.Within = defaultWithin
	}
	return p
}

// check returns what is wrong with the probe. Errors do not repeat the URL, which may have a
// password.
func (p Probe) check() (errs []error) {
	switch {
	case (p.HTTP == "") == (p.TCP == ""):
		errs = append(errs, errors.New(": want either http or tcp"))
	case p.HTTP != "" && !isHTTP(p.HTTP):
		errs = append(errs, errors.New(".http: want a URL such as http://127.0.0.1:8080/health"))
	case p.TCP != "" && !isAddress(p.TCP):
		errs = append(errs, fmt.Errorf(".tcp: %q is not HOST:PORT; write one such as 127.0.0.1:5432", p.TCP))
	}
	if p.TCP != "" && p.Status != 0 {
		errs = append(errs, errors.New(".status: only http has one"))
	} else if p.Status != 0 && (p.Status < 200 || p.Status > 599) {
		errs = append(errs, fmt.Errorf(".status: %d is not the status of an answer; want 200 to 599", p.Status))
	}
	if p.Within < shortestWithin || p.Within > longestWithin {
		errs = append(errs, fmt.Errorf(".within: %s is not from %s to %s", p.Within, shortestWithin, longestWithin))
	}
	return errs
}

func isHTTP(address string) bool {
	u, err := url.Parse(address)
	if err != nil || len(address) > maxAddress || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Fragment != "" {
		return false
	}
	return u.Port() == "" && u.Host[len(u.Host)-1] != ':' || isPort(u.Port())
}

func isAddress(address string) bool {
	host, port, err := net.SplitHostPort(address)
	return err == nil && len(address) <= maxAddress && host != "" && isPort(port)
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

func (s Stack) checkProbes() (errs []error) {
	for i, p := range s.Probes {
		for _, err := range p.check() {
			errs = append(errs, fmt.Errorf(".probes.%d%w", i, err))
		}
	}
	return errs
}

func checkNumberOfProbes(stacks map[string]Stack) []error {
	n := 0
	for _, s := range stacks {
		n += len(s.Probes)
	}
	if n > maxProbes {
		return []error{fmt.Errorf("stacks: %d probes together; want %d at most", n, maxProbes)}
	}
	return nil
}
