package systemd

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// maxStatus bounds a status: systemctl status shows it on one line.
const maxStatus = 500

// NotifyStatus tells the manager in a word how the service is (STATUS=). systemctl status shows
// it until the next start.
func NotifyStatus(socket, status string) error {
	status = strings.ToValidUTF8(status[:min(len(status), maxStatus)], "")
	return Notify(socket, "STATUS="+strings.ReplaceAll(status, "\n", " "))
}

// Notify sends assignments, such as READY=1, over the socket of $NOTIFY_SOCKET (sd_notify(3)).
// Without a socket it does nothing.
func Notify(socket string, assignments ...string) error {
	if socket == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify the manager: %w", err)
	}
	defer c.Close()
	if err := c.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return fmt.Errorf("notify the manager: %w", err)
	}
	if _, err := c.Write([]byte(strings.Join(assignments, "\n"))); err != nil {
		return fmt.Errorf("notify the manager: %w", err)
	}
	return nil
}
