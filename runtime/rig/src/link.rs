//! The way between device and broker: a relay on loopback that delays by the profile's round trip and rates, and that can
//! be cut.
//!
//! At [`Pace::Real`] every packet leaves when the ones before it have left, takes its length over the rate, and arrives half
//! a round trip later. At [`Pace::Skipped`] packets that no turn waits for pass at once; those of requests and replies put
//! the clock ahead by their length over the rate, and by half a round trip where the direction turns, because a stream of
//! packets one way has its propagation in common. Both give a request and its streamed reply the same times.

use crate::pace::{Pace, ShapedClock};
use crate::packets::{self, Kind, Packet};
use crate::profile::Network;
use bytes::BytesMut;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Packets on their way in one direction of one connection; a sender waits when there are more.
pub const PACKETS_UNDERWAY_MAX: usize = 256;
/// Connections at a time; further ones are closed at once.
pub const CONNECTIONS_MAX: usize = 8;
const READ_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Direction {
    Up,
    Down,
}

/// A relay with the manners of a network. It stops when dropped.
#[derive(Debug)]
pub struct ShapedLink {
    address: SocketAddr,
    shape: Arc<Shape>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shape {
    network: Mutex<Network>,
    clock: ShapedClock,
    open: watch::Sender<bool>,
    cut_after_request: AtomicBool,
    /// When each direction has sent what it was given, in the clock's time.
    busy_until: [Mutex<Duration>; 2],
    /// Which way the last packet went that a turn waits for.
    upward: AtomicBool,
    carried: [AtomicU64; 2],
}

impl ShapedLink {
    /// Listens on a free port of 127.0.0.1 and relays to `broker`.
    ///
    /// # Errors
    /// No port can be bound.
    pub async fn start(broker: SocketAddr, network: Network, clock: ShapedClock) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shape = Arc::new(Shape {
            network: Mutex::new(network),
            clock,
            open: watch::Sender::new(true),
            cut_after_request: AtomicBool::new(false),
            busy_until: Default::default(),
            upward: AtomicBool::new(false),
            carried: Default::default(),
        });
        let accepting = tokio::spawn(accept(listener, broker, Arc::clone(&shape)));
        Ok(Self { address, shape, accepting })
    }
    /// Where devices connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
    /// From now on the link behaves like another network.
    pub fn set_network(&self, network: Network) {
        *lock(&self.shape.network) = network;
    }
    /// Breaks every connection and refuses new ones.
    pub fn cut(&self) {
        self.shape.cut();
    }
    /// Breaks every connection once the next request has gone up.
    pub fn cut_after_request(&self) {
        self.shape.cut_after_request.store(true, Ordering::Release);
    }
    /// Accepts connections again, and forgets a cut that has not come.
    pub fn restore(&self) {
        self.shape.cut_after_request.store(false, Ordering::Release);
        self.shape.open.send_replace(true);
    }
    /// Whether connections are accepted.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self.shape.open.borrow()
    }
    /// Bytes carried so far, up and down.
    #[must_use]
    pub fn carried(&self) -> (u64, u64) {
        let [up, down] = &self.shape.carried;
        (up.load(Ordering::Relaxed), down.load(Ordering::Relaxed))
    }
}

impl Drop for ShapedLink {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A panic elsewhere cannot leave plain numbers half-written.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shape {
    fn cut(&self) {
        self.cut_after_request.store(false, Ordering::Release);
        self.open.send_replace(false);
    }

    /// How long `bytes` occupy the link in one direction.
    fn occupied(&self, direction: Direction, bytes: usize) -> Duration {
        let network = *lock(&self.network);
        let rate = match direction {
            Direction::Up => network.up_bits_per_s,
            Direction::Down => network.down_bits_per_s,
        };
        Duration::from_secs_f64(bytes as f64 * 8.0 / rate as f64)
    }

    fn one_way(&self) -> Duration {
        lock(&self.network).one_way()
    }

    /// When a packet that is sent now has arrived; the link is taken until its last bit has left.
    fn arrival(&self, direction: Direction, bytes: usize) -> Duration {
        let occupied = self.occupied(direction, bytes);
        let mut busy = lock(&self.busy_until[direction as usize]);
        *busy = self.clock.elapsed().max(*busy) + occupied;
        *busy + self.one_way()
    }

    /// Puts the clock ahead by what a turn waits for this packet.
    async fn skip(&self, direction: Direction, packet: &Packet) {
        if packet.kind == Kind::Control {
            return;
        }
        let up = direction == Direction::Up;
        let turned = self.upward.swap(up, Ordering::AcqRel) != up;
        let propagation = if turned { self.one_way() } else { Duration::ZERO };
        self.clock.pass(self.occupied(direction, packet.bytes.len()) + propagation).await;
    }

    /// After a packet was handed over: counts it, and cuts if it was the request that a cut waits for.
    fn delivered(&self, direction: Direction, packet: &Packet) {
        let count = &self.carried[direction as usize];
        count.fetch_add(packet.bytes.len() as u64, Ordering::Relaxed);
        let request = direction == Direction::Up && packet.kind == Kind::Data;
        if request && self.cut_after_request.load(Ordering::Acquire) {
            self.cut();
        }
    }
}

async fn accept(listener: TcpListener, broker: SocketAddr, shape: Arc<Shape>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((device, _)) = listener.accept().await else { continue };
        if !*shape.open.borrow() || connections.len() >= CONNECTIONS_MAX {
            continue;
        }
        connections.spawn(relay(device, broker, Arc::clone(&shape)));
    }
}

/// Carries one connection until an end closes it, a stream is not MQTT, or the link is cut.
async fn relay(device: TcpStream, broker: SocketAddr, shape: Arc<Shape>) {
    let mut open = shape.open.subscribe();
    let Ok(broker) = TcpStream::connect(broker).await else { return };
    if device.set_nodelay(true).and(broker.set_nodelay(true)).is_err() {
        return;
    }
    let ((from_device, to_device), (from_broker, to_broker)) = (device.into_split(), broker.into_split());
    tokio::select! {
        _ = carry(from_device, to_broker, Direction::Up, &shape) => {}
        _ = carry(from_broker, to_device, Direction::Down, &shape) => {}
        _ = open.wait_for(|open| !open) => {}
    }
}

async fn carry(from: OwnedReadHalf, to: OwnedWriteHalf, direction: Direction, shape: &Shape) -> io::Result<()> {
    let (sender, receiver) = mpsc::channel(PACKETS_UNDERWAY_MAX);
    let (read, written) = tokio::join!(read(from, sender, direction, shape), write(to, receiver, direction, shape),);
    read.and(written)
}

async fn read(
    mut from: OwnedReadHalf,
    underway: mpsc::Sender<(Duration, Packet)>,
    direction: Direction,
    shape: &Shape,
) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    loop {
        while let Some(packet) = packets::take(&mut buffer).map_err(io::Error::other)? {
            let due = shape.arrival(direction, packet.bytes.len());
            if underway.send((due, packet)).await.is_err() {
                return Ok(());
            }
        }
        buffer.reserve(READ_BYTES);
        if from.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

async fn write(
    mut to: OwnedWriteHalf,
    mut underway: mpsc::Receiver<(Duration, Packet)>,
    direction: Direction,
    shape: &Shape,
) -> io::Result<()> {
    while let Some((due, packet)) = underway.recv().await {
        match shape.clock.pace() {
            Pace::Real => tokio::time::sleep(due.saturating_sub(shape.clock.elapsed())).await,
            Pace::Skipped => shape.skip(direction, &packet).await,
        }
        to.write_all(&packet.bytes).await?;
        shape.delivered(direction, &packet);
    }
    Ok(())
}
