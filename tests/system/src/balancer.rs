//! A TCP balancer before two front doors: haproxy, with the very file that we give to those who run one.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::places;
use crate::server::{free_port, log, tail};
use crate::wait::{SOON, until_so};

/// A running haproxy. It is killed when this is dropped.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    folder: TempDir,
    child: Child,
}

impl Balancer {
    /// Starts one before these doors, which answer probes there, and waits until terminals can connect.
    pub async fn before(doors: [SocketAddr; 2], probes: [SocketAddr; 2]) -> Self {
        let file = places::root().join("packaging/haproxy.cfg");
        let mut config = std::fs::read_to_string(file).expect("the file is there");
        let address = free_port();
        let [east, west] = probes.map(|probe| format!("check port {}", probe.port()));
        let ours = [address, doors[0], doors[1]].map(|address| address.to_string());
        let places = [
            ("127.0.0.1:1883", &ours[0], 1),
            ("127.0.0.1:1881", &ours[1], 2),
            ("127.0.0.1:1882", &ours[2], 2),
            ("check port 9081", &east, 1),
            ("check port 9082", &west, 1),
        ];
        for (place, ours, times) in places {
            assert_eq!(config.matches(place).count(), times, "{place} in packaging/haproxy.cfg");
            config = config.replace(place, ours);
        }
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("haproxy.cfg");
        std::fs::write(&path, config).expect("settings can be written");
        // A test that is itself killed leaves nothing behind.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(places::haproxy()).args(["-db", "-f"]).arg(path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log(&folder.path().join("haproxy.log")));
        let mut balancer = Self { address, child: command.spawn().expect("haproxy can be started"), folder };
        until_so("the balancer listens", SOON, async || {
            let ended = balancer.child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "haproxy ended with {ended:?}: {}", balancer.said());
            TcpStream::connect(address).await.is_ok()
        })
        .await;
        balancer
    }

    /// Where terminals connect.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    fn said(&self) -> String {
        tail(&self.folder.path().join("haproxy.log"))
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("haproxy said:\n{}\n", self.said());
        }
    }
}
