// SPDX-License-Identifier: MIT
// The board's USB serial port: bytes between rp2040js's USB host and a socket.
import net from 'node:net';
import { USBCDC } from 'rp2040js';

const BACKLOG = 1 << 16; // bytes that the other side may leave unread before the board's time stands still

export class Serial {
  /** `fd`: a connected socket. `wake()` is called when something has come for the board, or has left. */
  constructor(fd, wake) {
    this.wake = wake;
    this.input = []; // Buffers on their way to the board
    this.room = 0; // bytes that the board has asked for
    this.usb = null;
    this.socket = new net.Socket({ fd, readable: true, writable: true });
    this.socket.on('data', (data) => {
      this.input.push(data);
      this._deliver();
      wake();
    });
    this.socket.on('drain', wake);
    this.socket.on('error', () => {}); // the other side is gone, and ends us
  }

  /** Plug a board in, which has just been powered: rp2040js's host sets it up. */
  plug(mcu) {
    this.room = 0;
    this.usb = mcu.usbCtrl;
    const cdc = (this.cdc = new USBCDC(mcu.usbCtrl));
    cdc.onDeviceConnected = () => this.socket.write('\r\n'); // a sign of life
    cdc.onSerialData = (data) => this.socket.write(data);
    // rp2040js's own answers with no bytes where there are none, again and again: an interrupt every ten microseconds.
    mcu.usbCtrl.onEndpointRead = (endpoint, size) => {
      if (endpoint !== cdc.outEndpoint) return;
      this.room = size;
      this._deliver();
    };
  }

  /** Whether the other side does not keep up. */
  get backed() {
    return this.socket.writableLength > BACKLOG;
  }

  _deliver() {
    if (!this.room || !this.input.length) return;
    const data = this.input.length > 1 ? Buffer.concat(this.input) : this.input[0];
    const piece = data.subarray(0, this.room);
    this.input = piece.length < data.length ? [data.subarray(piece.length)] : [];
    this.room = 0;
    this.usb.endpointReadDone(this.cdc.outEndpoint, new Uint8Array(piece));
  }
}
