// Every size from one octet to 256 KiB arrives as it was sent, whatever the devices of both ends do to frames.
//
// The sender's device leaves all to the stack, completes checksums, or cuts super-frames up too. The receiver's hands
// up what was sent as it is, or what a wire carried: cut up, checksums complete, to be verified or already verified. The
// sizes go one after the other over one connection, so each begins at another place of segments and slots.
//
// All sizes through all combinations, 309 GB, take a minute in Release, and there they are taken; with assertions they
// would take many (TCPCO_EVERY_SIZE=1 in the environment asks for them). Otherwise each combination takes every size up to
// 4096 and those around powers of 2; those around the multiples of a segment's size are shared out among the nine.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <set>
#include <vector>

#include "catch.hpp"
#include "support/network.hpp"
#include "tcpco/wire/ipv4.hpp"

using namespace tcpco_test;

namespace {

constexpr std::size_t largest = 256 * 1'024;
constexpr std::size_t mss = 1'448;  // of 1460, timestamps take 12
constexpr std::size_t ip_at = 14;
constexpr std::size_t tcp_at = ip_at + ipv4_header_size;

enum class sends { plainly, without_checksums, super_frames };
enum class receives { as_sent, from_a_wire, from_a_wire_verified };

// A wire between two stacks of which the first sends and the second acknowledges. Frames of up to 64 KiB pass through
// memory that is allocated once: what is to be seen here is many octets.
class wire {
public:
    explicit wire(sends s, receives r) : how_{r}, sender{config(1)}, receiver{config(2)}
    {
        const bool tso = s == sends::super_frames;
        const device_config device{.mtu = 1'500,
                                   .tx_checksum_offload = s != sends::plainly,
                                   .tso4 = tso,
                                   .tso_max = tso ? 65'535u : 0u};
        sender.configure_device(device);
        receiver.configure_device(device);
        sender.set_neighbour(receiver.address().v4(), mac_of(2));
        receiver.set_neighbour(sender.address().v4(), mac_of(1));
        const listener_id listener = receiver.listen({receiver.address(), 7}).value;
        at_sender = sender.connect({receiver.address(), 7}, {.no_delay = true}).value;
        exchange();
        at_receiver = receiver.accept(listener).value;
    }

private:
    receives how_;

public:
    basic_stack<default_policies> sender;
    basic_stack<default_policies> receiver;
    connection_id at_sender{};
    connection_id at_receiver{};
    std::size_t super_frames = 0;    // that a stack received whole
    std::size_t unchecked = 0;       // frames whose checksum nobody had made
    std::size_t verified_here = 0;   // frames that a stack had to verify
    std::size_t largest_frame = 0;   // that a stack sent

    void exchange()
    {
        now_ += 1_us;
        sender.advance(now_);
        receiver.advance(now_);
        while (move(sender, receiver) + move(receiver, sender) > 0) {
        }
    }

    // Until the receiver's delayed ACK, which meets the sender before its own timers do.
    void wait_for_ack()
    {
        now_ = std::max(now_, std::min(receiver.deadline(), now_ + 100_ms));
        receiver.advance(now_);
        move(receiver, sender);
        exchange();
    }

private:
    using stack = basic_stack<default_policies>;

    static mac_address mac_of(std::uint8_t number)
    {
        mac_address mac = network_config{}.mac;
        mac.octets[5] = number;
        return mac;
    }
    static stack_config<default_policies> config(std::uint8_t number)
    {
        stack_config<default_policies> c{.address = {ipv4_address{0xC0000200u + number}, 24}};
        c.network.mac = mac_of(number);
        c.receive_window.capacity = 2 * largest;
        c.seed = number;
        return c;
    }

    std::size_t move(stack& from, stack& to)
    {
        return from.transmit(
            now_,
            [&](const outgoing_frame& f) {
                largest_frame = std::max(largest_frame, f.size());
                f.copy_to(frame_.data());
                if (how_ == receives::as_sent) {
                    deliver(to, std::span{frame_}.first(f.size()), f.info);
                } else {
                    cut_up(to, std::span{frame_}.first(f.size()), f.info);
                }
                return sink_verdict::done;
            },
            16);
    }

    void deliver(stack& to, std::span<const std::byte> octets, frame_info info)
    {
        super_frames += info.gso_type != gso_kind::none ? 1U : 0U;
        unchecked += info.checksum == checksum_state::partial ? 1U : 0U;
        verified_here += info.checksum == checksum_state::verify ? 1U : 0U;
        to.receive_copy(now_, octets, info);
    }

    // As the sender's device does: headers repeated, FIN and PSH on the last segment alone, checksums completed.
    void cut_up(stack& to, std::span<std::byte> frame, const frame_info& info)
    {
        const frame_info plain{.checksum = how_ == receives::from_a_wire ? checksum_state::verify
                                                                         : checksum_state::good};
        const auto ip = parse_ipv4(frame.subspan(ip_at));
        const auto tcp = ip && ip->header.protocol == ip_protocol::tcp ? parse_tcp(ip->payload) : parse_tcp({});
        if (!tcp || (info.checksum == checksum_state::verify && info.gso_type == gso_kind::none)) {
            deliver(to, frame, plain);
            return;
        }
        const std::size_t head = frame.size() - tcp->payload.size();
        const std::size_t text = std::max<std::size_t>(tcp->payload.size(), 1);  // an ACK without any is one segment
        const std::size_t size = info.gso_type == gso_kind::none ? text : info.gso_size;
        for (std::size_t at = 0; at == 0 || at < tcp->payload.size(); at += size) {
            const std::size_t n = std::min(size, tcp->payload.size() - at);
            const auto one = std::span{segment_}.first(head + n);
            std::copy_n(frame.begin(), head, one.begin());
            std::copy_n(tcp->payload.begin() + static_cast<std::ptrdiff_t>(at), n,
                        one.begin() + static_cast<std::ptrdiff_t>(head));
            finish(one, ip->header, tcp->header, at, at + n == tcp->payload.size());
            deliver(to, one, plain);
        }
    }

    static void finish(std::span<std::byte> frame, ipv4_header ip, tcp_header tcp, std::size_t at, bool last)
    {
        ip.total_length = static_cast<std::uint16_t>(frame.size() - ip_at);
        write_ipv4(ip, frame.subspan(ip_at));
        tcp.seq = tcp.seq + static_cast<std::uint32_t>(at);
        if (!last) {
            tcp.flags = static_cast<std::uint16_t>(tcp.flags & ~(tcp_flag::fin | tcp_flag::psh));
        }
        const std::span<std::byte> segment = frame.subspan(tcp_at);
        write_tcp(tcp, segment);
        write_tcp_checksum(0, segment);
        const std::span<const std::byte> whole[] = {segment};
        write_tcp_checksum(transport_checksum(ip.source, ip.destination, ip_protocol::tcp, whole), segment);
    }

    time_point now_{1'000'000'000};
    octets frame_ = octets(66'560);
    octets segment_ = octets(2'048);
};

// The sizes of the `turn`-th of nine runs.
std::vector<std::size_t> sizes(std::size_t turn)
{
    std::set<std::size_t> chosen;
    if (!TCPCO_CHECKED || std::getenv("TCPCO_EVERY_SIZE") != nullptr) {
        for (std::size_t n = 1; n <= largest; ++n) {
            chosen.insert(n);
        }
        return {chosen.begin(), chosen.end()};
    }
    const auto around = [&](std::size_t n) { chosen.insert({n - 1, n, n + 1}); };
    for (std::size_t n = 1; n <= 4'096; ++n) {
        chosen.insert(n);
    }
    for (std::size_t n = 8'192; n < largest; n *= 2) {
        around(n);
    }
    chosen.insert({largest - 1, largest});
    for (std::size_t i = 1 + turn; i * mss < largest; i += 9) {
        around(i * mss);
    }
    return {chosen.begin(), chosen.end()};
}

// How many octets of `text`, from `from` on, arrived as they were sent.
std::size_t send(wire& net, std::span<const std::byte> text, octets& in)
{
    std::size_t written = 0;
    std::size_t equal = 0;
    for (int idle = 0; idle < 3 && equal < text.size(); ++idle) {
        written += net.sender.write(net.at_sender, text.subspan(written)).value;
        net.exchange();
        if (idle > 0) {
            net.wait_for_ack();
        }
        for (std::size_t got = 1; got > 0;) {
            got = net.receiver.read(net.at_receiver, in).value;
            if (got > text.size() - equal || std::memcmp(in.data(), text.data() + equal, got) != 0) {
                return equal;
            }
            equal += got;
            idle = got > 0 ? 0 : idle;
        }
    }
    return equal;
}

}  // namespace

TEST_CASE("every size arrives as it was sent, whatever the devices of both ends do to frames", "[stack]")
{
    constexpr sends senders[] = {sends::plainly, sends::without_checksums, sends::super_frames};
    constexpr receives receivers[] = {receives::as_sent, receives::from_a_wire, receives::from_a_wire_verified};
    const octets text = pattern(2 * largest);
    octets in(largest);
    std::size_t turn = 0;
    for (const sends s : senders) {
        for (const receives r : receivers) {
            wire net{s, r};
            std::size_t wrong = 0;  // no more than one is told
            std::size_t from = 0;
            std::uint64_t total = 0;
            for (const std::size_t n : sizes(turn)) {
                from = (from * 31 + 7) % largest;  // another piece of the text each time
                if (send(net, std::span{text}.subspan(from, n), in) != n) {
                    wrong = n;
                    break;
                }
                total += n;
            }
            INFO("sender " << static_cast<int>(s) << ", receiver " << static_cast<int>(r));
            CHECK(wrong == 0);
            const tcp_info sender = net.sender.info(net.at_sender).value;
            CHECK(sender.retransmissions == 0);
            CHECK(net.receiver.info(net.at_receiver).value.octets_received == total);
            CHECK((net.largest_frame > 60'000) == (s == sends::super_frames));
            // The combination is what it is called.
            const bool as_sent = r == receives::as_sent;
            CHECK((net.super_frames > 0) == (as_sent && s == sends::super_frames));
            CHECK((net.unchecked > 0) == (as_sent && s != sends::plainly));
            CHECK((net.verified_here > 0) == (r == receives::from_a_wire || (as_sent && s == sends::plainly)));
            ++turn;
        }
    }
}
