package collect

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// TestSilentSystemBus: a system bus that does not answer may hide a failed activation. A
// system bus that does not exist hides nothing.
func TestSilentSystemBus(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "bus")
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+socket)
	if s, err := activationService(t.Context(), "alice"); s != nil || err != nil {
		t.Errorf("without a bus: %v, %v; want neither", s, err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = activationService(t.Context(), "alice")
	if err == nil || !strings.Contains(err.Error(), "system bus") {
		t.Errorf("with a silent one: %v; want an error that names it", err)
	}
}
