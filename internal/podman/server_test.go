package podman

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// answers is a sound podman: a list, and an inspection for each id it has.
type answers struct {
	list    string
	inspect map[string]string
}

func (a answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, found := a.inspect[idOf(r)]
	switch {
	case r.URL.RequestURI() == "/v4.0.0/libpod/containers/json?all=true":
		io.WriteString(w, a.list)
	case found:
		io.WriteString(w, body)
	default:
		onStatus(http.StatusNotFound, goneAnswer)(w, r)
	}
}

func (a answers) listen(t *testing.T) string { return listen(t, a.ServeHTTP) }

func idOf(r *http.Request) string {
	path := strings.TrimPrefix(r.URL.Path, "/v4.0.0/libpod/containers/")
	return strings.TrimSuffix(path, "/json")
}

// listen serves on a socket until the test ends.
func listen(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	path := filepath.Join(shortDir(t), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handle)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return path
}

// shortDir is a folder whose path leaves room for a socket's name: 108 bytes in all.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "p")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func staleSocket(t *testing.T) string {
	t.Helper()
	path := filepath.Join(shortDir(t), "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
	return path
}

// closingSocket takes connections and drops them without a word.
func closingSocket(t *testing.T) string {
	t.Helper()
	path := filepath.Join(shortDir(t), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			connection.Close()
		}
	}()
	return path
}

func danglingLink(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("nowhere", path); err != nil {
		t.Fatal(err)
	}
	return path
}

func onList(body string) http.HandlerFunc { return onStatus(http.StatusOK, body) }

func onStatus(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func onListThen(list string, inspect http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("all") {
			io.WriteString(w, list)
			return
		}
		inspect(w, r)
	}
}

func onInspect(list string, status int, body string) http.HandlerFunc {
	return onListThen(list, onStatus(status, body))
}

func onInspectEndless(list string) http.HandlerFunc {
	return onListThen(list, func(w http.ResponseWriter, _ *http.Request) {
		block := []byte(strings.Repeat(" ", 1<<20))
		for range 65 {
			w.Write(block)
		}
	})
}

// cutTransfer ends the connection in the middle of a body that is valid so far.
func cutTransfer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	startAnswer(w, `[{"Id":"aa"}]`)
	panic(http.ErrAbortHandler)
}

// redirect leads to where a listing without containers stands.
func redirect(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/elsewhere" {
		io.WriteString(w, `[]`)
		return
	}
	http.Redirect(w, r, "/elsewhere", http.StatusFound)
}

func noHTTP(w http.ResponseWriter, _ *http.Request) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		io.WriteString(connection, "SSH-2.0-OpenSSH\r\n")
		connection.Close()
	}
}

func startAnswer(w http.ResponseWriter, body string) {
	io.WriteString(w, body)
	w.(http.Flusher).Flush()
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
