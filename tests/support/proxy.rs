//! A network that fails on command: a proxy on a loopback port that cuts, stalls or delays at a chosen moment.
//!
//! ```text
//!  client ──bytes──> [Moment::BeforeForwarding] ──> server
//!  client <──[Moment::AfterAnswer]──bytes── [Moment::BeforeAnswer] <── server
//! ```
//!
//! A trap is set for the next client bytes that contain a marker, such as `COMMIT`, and springs once. TLS hides the
//! marker, so addresses through a proxy say `sslmode=disable`.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

/// The most bytes a marker may have.
const LONGEST_MARKER: usize = 64;

/// Where the bytes go.
#[derive(Debug, Clone)]
pub enum Target {
    Unix(PathBuf),
    /// A loopback port.
    Tcp(u16),
}

/// When a trap springs, seen from the client bytes with the marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The server never sees them.
    BeforeForwarding,
    /// The server has acted on them and answered; the client doesn't learn it.
    BeforeAnswer,
    /// The client has its answer.
    AfterAnswer,
}

/// What a trap does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Closes this connection on both sides.
    Cut,
    /// Holds this connection still until [`Proxy::release`].
    Stall,
}

/// A running proxy; dropped, it cuts every connection.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    target: Mutex<Target>,
    trap: Mutex<Option<Trap>>,
    latency: Mutex<Duration>,
    sprung: watch::Sender<u32>,
    released: watch::Sender<u32>,
    partitioned: watch::Sender<bool>,
    refusing: watch::Sender<bool>,
    /// Raised to cut whatever is connected.
    cuts: watch::Sender<u32>,
    over: watch::Sender<bool>,
}

#[derive(Debug, Clone)]
struct Trap {
    marker: Vec<u8>,
    moment: Moment,
    fault: Fault,
}

impl Proxy {
    /// Listens on a free loopback port, on a thread of its own.
    pub fn start(target: Target) -> Self {
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            trap: Mutex::default(),
            latency: Mutex::default(),
            sprung: watch::Sender::new(0),
            released: watch::Sender::new(0),
            partitioned: watch::Sender::new(false),
            refusing: watch::Sender::new(false),
            cuts: watch::Sender::new(0),
            over: watch::Sender::new(false),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        listener.set_nonblocking(true).expect("a socket that tokio can wait on");
        let thread = {
            let shared = Arc::clone(&shared);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            std::thread::spawn(move || runtime.block_on(accept(listener, shared)))
        };
        Self { port, shared, thread: Some(thread) }
    }

    /// The loopback port that clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on new connections lead to another server, as after a failover; those that are open are cut.
    pub fn lead_to(&self, target: Target) {
        *lock(&self.shared.target) = target;
        self.cut_all();
    }

    /// Sets the trap for the next client bytes that contain `marker`; an earlier trap is gone.
    pub fn set_trap(&self, marker: &str, moment: Moment, fault: Fault) {
        assert!((1..=LONGEST_MARKER).contains(&marker.len()), "a marker has 1 to {LONGEST_MARKER} bytes");
        *lock(&self.shared.trap) = Some(Trap { marker: marker.as_bytes().to_vec(), moment, fault });
    }

    /// Waits until traps have sprung `times` since the start.
    pub async fn sprung(&self, times: u32) {
        self.shared.sprung.subscribe().wait_for(|&count| count >= times).await.expect("the proxy lives");
    }

    /// Lets every stalled connection go on.
    pub fn release(&self) {
        self.shared.released.send_modify(|count| *count += 1);
    }

    /// Holds every byte back by this long.
    pub fn set_latency(&self, latency: Duration) {
        *lock(&self.shared.latency) = latency;
    }

    /// From now on no byte passes in either direction, nothing is closed, and connecting still seems to work.
    pub fn partition(&self) {
        self.shared.partitioned.send_replace(true);
    }

    /// Ends [`Proxy::partition`]; what was held back arrives.
    pub fn heal(&self) {
        self.shared.partitioned.send_replace(false);
    }

    /// From now on no connection lasts: those that are open are cut, new ones are closed at once.
    pub fn refuse(&self) {
        self.shared.refusing.send_replace(true);
        self.cut_all();
    }

    /// Ends [`Proxy::refuse`].
    pub fn accept(&self) {
        self.shared.refusing.send_replace(false);
    }

    /// Cuts every connection that is open now.
    pub fn cut_all(&self) {
        self.shared.cuts.send_modify(|count| *count += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("a socket in a runtime");
    let mut over = shared.over.subscribe();
    loop {
        tokio::select! {
            _ = over.wait_for(|&over| over) => return,
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted
                    && !*shared.refusing.borrow()
                {
                    tokio::spawn(connection(client, Arc::clone(&shared)));
                }
            }
        }
    }
}

/// One connection until somebody closes it; returning drops, and so closes, both sides.
async fn connection(client: TcpStream, shared: Arc<Shared>) {
    let (mut cuts, mut over) = (shared.cuts.subscribe(), shared.over.subscribe());
    tokio::select! {
        _ = cuts.changed() => {}
        _ = over.wait_for(|&over| over) => {}
        () = async {
            shared.passable().await;
            let target = lock(&shared.target).clone();
            match target {
                Target::Unix(path) => {
                    if let Ok(server) = UnixStream::connect(path).await { shared.pump(client, server).await }
                }
                Target::Tcp(port) => {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await { shared.pump(client, server).await }
                }
            }
        } => {}
    }
}

impl Shared {
    async fn pump(&self, mut client: TcpStream, mut server: impl AsyncRead + AsyncWrite + Unpin) {
        let (mut up, mut down) = ([0; 16 * 1024], [0; 16 * 1024]);
        // A marker may come in two pieces, so the end of the last piece is kept.
        let mut seen = Vec::new();
        let mut caught: Option<Trap> = None;
        loop {
            tokio::select! {
                read = client.read(&mut up) => {
                    let Ok(length @ 1..) = read else { return };
                    self.travel().await;
                    let old = seen.len();
                    seen.extend_from_slice(&up[..length]);
                    if let Some(trap) = self.trap_for(&seen, old) {
                        if trap.moment == Moment::BeforeForwarding {
                            if self.spring(&trap).await.is_break() { return }
                        } else {
                            caught = Some(trap);
                        }
                    }
                    seen.drain(..seen.len().saturating_sub(LONGEST_MARKER));
                    if server.write_all(&up[..length]).await.is_err() { return }
                }
                read = server.read(&mut down) => {
                    let Ok(length @ 1..) = read else { return };
                    self.travel().await;
                    if let Some(trap) = caught.take_if(|trap| trap.moment == Moment::BeforeAnswer)
                        && self.spring(&trap).await.is_break() { return }
                    if client.write_all(&down[..length]).await.is_err() { return }
                    if let Some(trap) = caught.take()
                        && self.spring(&trap).await.is_break() { return }
                }
            }
        }
    }

    /// What every piece of data goes through: latency, then a partition.
    async fn travel(&self) {
        let latency = *lock(&self.latency);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        self.passable().await;
    }

    async fn passable(&self) {
        let _ = self.partitioned.subscribe().wait_for(|&partitioned| !partitioned).await;
    }

    /// The trap, if its marker is in `seen` and not wholly in the first `old` bytes, which passed before it was set.
    fn trap_for(&self, seen: &[u8], old: usize) -> Option<Trap> {
        lock(&self.trap).take_if(|trap| {
            let length = trap.marker.len();
            seen[(old + 1).saturating_sub(length)..].windows(length).any(|window| window == trap.marker)
        })
    }

    async fn spring(&self, trap: &Trap) -> std::ops::ControlFlow<()> {
        let mut released = self.released.subscribe();
        self.sprung.send_modify(|count| *count += 1);
        match trap.fault {
            Fault::Cut => std::ops::ControlFlow::Break(()),
            Fault::Stall => {
                let _ = released.changed().await;
                std::ops::ControlFlow::Continue(())
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
