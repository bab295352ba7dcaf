package page

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"stackpolicy/fleet/overview"
	reportfleet "stackpolicy/report/fleet"
)

// fresh is how long an answer is given again: as many readers as there may be cost no more than
// one every few seconds.
const fresh = 5 * time.Second

// Server answers with the pages, as of now. It only reads.
type Server struct {
	maker Maker
	// Failed is told what could not be answered, and why.
	Failed func(error)

	mu   sync.Mutex // one answer is made at a time
	last reportfleet.Input
	at   time.Time
}

// NewServer returns a server of pages.
func NewServer(m Maker, failed func(error)) *Server { return &Server{maker: m, Failed: failed} }

// Serve answers at a listener until the context ends. On a loopback address it answers only to
// names of this machine, so that no page of another site can read it by a name that points here.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s.Handler(isLoopback(l.Addr())),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	done := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(end)
	})
	defer done()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func isLoopback(a net.Addr) bool {
	address, err := netip.ParseAddrPort(a.String())
	return err == nil && address.Addr().IsLoopback()
}

// Handler answers GET and HEAD for the page, fleet.json, metrics and the pages of sources. With
// local it answers only to names of this machine.
func (s *Server) Handler(local bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", s.answer("text/html; charset=utf-8", reportfleet.WriteHTML))
	mux.HandleFunc("/"+indexName, s.answer("text/html; charset=utf-8", reportfleet.WriteHTML))
	mux.HandleFunc("/"+jsonName, s.answer("application/json", reportfleet.WriteJSON))
	mux.HandleFunc("/metrics", s.answer("application/openmetrics-text; version=1.0.0; charset=utf-8", reportfleet.WriteOpenMetrics))
	mux.HandleFunc("/"+sourcesDir+"/{name}", s.source)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guard(w.Header())
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		case local && !isLocalName(r.Host):
			http.Error(w, "this page answers to localhost and 127.0.0.1 alone; a proxy before it has to send one of these as Host", http.StatusMisdirectedRequest)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// guard sets the headers of every answer. The page's own policy is in the page, too.
func guard(h http.Header) {
	h.Set("Content-Security-Policy", reportfleet.Policy()+"; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

func isLocalName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && address.IsLoopback()
}

// answer answers with the fleet in a form.
func (s *Server) answer(kind string, write func(io.Writer, reportfleet.Input) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := s.make(func(out io.Writer) error {
			in, err := s.fleet(r.Context())
			if err != nil {
				return err
			}
			return write(out, in)
		})
		s.send(w, kind, body, err)
	}
}

// make makes an answer while no other is made. It is sent afterwards: a reader that is slow keeps
// nobody waiting.
func (s *Server) make(write func(io.Writer) error) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out bytes.Buffer
	err := write(&out)
	return out.Bytes(), err
}

// fleet returns the fleet, which may be some seconds old. The caller has the lock.
func (s *Server) fleet(ctx context.Context) (reportfleet.Input, error) {
	if now := s.maker.Now(); now.Sub(s.at) < fresh && !now.Before(s.at) {
		return s.last, nil
	}
	in, err := s.maker.Fleet(ctx)
	if err != nil {
		return in, err
	}
	s.last, s.at = in, s.maker.Now()
	return in, nil
}

// errNoSource means that there is no page of a source.
var errNoSource = errors.New("no such source, or nothing of it can be shown")

// source answers with the page of a source.
func (s *Server) source(w http.ResponseWriter, r *http.Request) {
	path := sourcesDir + "/" + r.PathValue("name")
	body, err := s.make(func(out io.Writer) error { return s.writeSource(r.Context(), out, path) })
	if errors.Is(err, errNoSource) {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	s.send(w, "text/html; charset=utf-8", body, err)
}

func (s *Server) writeSource(ctx context.Context, out io.Writer, path string) error {
	in, err := s.fleet(ctx)
	if err != nil {
		return err
	}
	row, known := rowAt(in.Sources, path)
	if !known {
		return errNoSource
	}
	memories, err := s.maker.pages(ctx, []overview.Row{row})
	if err != nil {
		return err
	}
	memory, known := memories[path]
	if !known {
		return errNoSource
	}
	return s.maker.Source(ctx, out, row, memory)
}

func rowAt(rows []overview.Row, path string) (overview.Row, bool) {
	for _, r := range rows {
		if r.Page == path {
			return r, true
		}
	}
	return overview.Row{}, false
}

// send sends an answer, or says that there is none: why is only for the hub's own log.
func (s *Server) send(w http.ResponseWriter, kind string, body []byte, err error) {
	if err != nil {
		s.Failed(err)
		http.Error(w, "the hub cannot tell how the fleet is: see its log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(body) // the reader went away
}
