//! What the person at the terminal reads: where everything is, and what to type.

use wire::directory::Dialect;

use crate::serve::Ready;

/// An elder with a fence close around their home: that they have left it is known within a minute.
const WANDERER: &str = "P1016";

/// Tells a person where everything is and what to type.
#[expect(clippy::print_stdout, reason = "this is what the person at the terminal reads")]
pub fn print(ready: &Ready) {
    println!("\n一点通 is up.\n");
    println!("  console   {}", ready.http);
    println!("  terminals {} (MQTT 3.1.1 and 5)", ready.mqtt);
    if let Some(mqtts) = ready.mqtts {
        println!("            {mqtts} (the same over TLS)");
    }
    for (listener, address) in &ready.listeners {
        println!("            {address} ({listener})");
    }
    if let Some(mailbox) = &ready.mailbox {
        println!("  mailbox   {mailbox} (what contacts are written)");
    }
    let Some(demo) = &ready.demo else { return };
    println!("\nLogins of this run:");
    for user in &demo.users {
        println!("  {:<11} {}   ({})", user.login, user.password, user.name);
    }
    let press = std::env::current_exe()
        .ok()
        .map_or_else(|| "firmware-sim".into(), |exe| exe.with_file_name("firmware-sim").display().to_string());
    println!("\nPress an SOS key; the pager tells what it hears:");
    if let Some(pager) = demo.terminals.first() {
        println!(
            "  {press} press --broker {} --serial {} --secret {} --lat {} --lon {}",
            ready.mqtt, pager.worn.serial, pager.worn.secret, pager.worn.home.lat, pager.worn.home.lon
        );
        println!("or with any MQTT client:");
        println!(
            "  mosquitto_pub -h {} -p {} -q 1 -u {} -P {} -t ydt/1/{}/alert -m '{{\"type\":\"alert\",\"kind\":\"sos\",\"boot\":1,\"seq\":'$(date +%s)'}}'",
            ready.mqtt.ip(),
            ready.mqtt.port(),
            pager.worn.login,
            pager.worn.secret,
            pager.worn.serial,
        );
        println!("or sit before a simulated pager and type sos, cancel, ok, quit:");
        println!(
            "  {press} pager --broker {} --serial {} --secret {}",
            ready.mqtt, pager.worn.serial, pager.worn.secret
        );
    }
    if let Some(phone) = demo.terminals.iter().find(|terminal| terminal.dialect == Dialect::OwnTracks) {
        println!("or as a phone with OwnTracks, whose \"publish now\" means help:");
        println!(
            "  mosquitto_pub -h {} -p {} -q 1 -u {} -P {} -t owntracks/{} -m '{{\"_type\":\"location\",\"t\":\"u\",\"lat\":{},\"lon\":{},\"acc\":12,\"tst\":'$(date +%s)'}}'",
            ready.mqtt.ip(),
            ready.mqtt.port(),
            phone.worn.login,
            phone.worn.secret,
            phone.worn.serial,
            phone.worn.home.lat,
            phone.worn.home.lon,
        );
    }
    if let Some(wanderer) = demo.terminals.iter().find(|terminal| terminal.worn.serial == WANDERER) {
        println!("Let {} walk away from home, ten times faster than in life:", wanderer.wearer);
        println!(
            "  {press} wander --broker {} --serial {} --secret {} --lat {} --lon {} --speed 10",
            ready.mqtt, wanderer.worn.serial, wanderer.worn.secret, wanderer.worn.home.lat, wanderer.worn.home.lon,
        );
    }
    println!("\nCtrl-C stops it.\n");
}
