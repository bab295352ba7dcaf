package usermanager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/godbus/dbus/v5"
)

// Dial connects the calling process directly to the manager, as the account. The
// connection does not go through a bus: it has no names and needs no Hello. The caller
// closes it; it is also closed when ctx ends.
func (m *Manager) Dial(ctx context.Context) (*dbus.Conn, error) {
	conn, err := m.dial(ctx, m.PrivateSocket())
	if err != nil {
		return nil, fmt.Errorf("reach the manager: %w", err)
	}
	return conn, nil
}

// DialBus connects the calling process to the account's bus, as the account.
// The caller closes the connection; it is also closed when ctx ends.
func (m *Manager) DialBus(ctx context.Context) (*dbus.Conn, error) {
	if m.options.NoBus {
		return nil, errors.New("reach the bus: this manager has none")
	}
	conn, err := m.dial(ctx, filepath.Join(m.RuntimeDir, "bus"))
	if err != nil {
		return nil, fmt.Errorf("reach the bus: %w", err)
	}
	if err := conn.Hello(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("reach the bus: %w", err)
	}
	return conn, nil
}

func (m *Manager) dial(ctx context.Context, socket string) (*dbus.Conn, error) {
	relay, err := m.relay(socket)
	if err != nil {
		return nil, err
	}
	conn, err := dbus.Dial("unix:path="+relay, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if err := conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(m.UID))}); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// relay returns a socket that forwards to another socket from inside the namespaces.
// systemd closes the connection if the peer has another uid, even root's, or if it cannot
// see the peer's process id, which is so for every process outside its PID namespace.
func (m *Manager) relay(socket string) (string, error) {
	m.relays.Lock()
	defer m.relays.Unlock()
	path := filepath.Join(m.Dir, "relay-"+filepath.Base(socket))
	if _, err := os.Lstat(path); err == nil {
		return path, nil
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return "", err
	}
	listener.SetUnlinkOnClose(false)
	defer listener.Close()
	file, err := listener.File()
	if err != nil {
		return "", err
	}
	defer file.Close()
	if err := m.startProxy(file, socket); err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	return path, nil
}

// startProxy starts systemd's proxy with a listening socket, in the way of
// sd_listen_fds(3). The proxy ends with the namespaces.
func (m *Manager) startProxy(listener *os.File, socket string) error {
	proxy := filepath.Join(filepath.Dir(m.tools.systemd), "systemd-socket-proxyd")
	cmd := m.Command(context.Background(), "sh", "-c", `LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$1"`, proxy, socket)
	cmd.ExtraFiles = []*os.File{listener}
	cmd.Stderr = m.log
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }()
	return nil
}
