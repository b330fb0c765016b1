// A TCP/IP stack that does no I/O: frames and time go in, frames and a deadline come out.
//
//     stack.receive(now, frame)               one frame in; never blocks, never throws
//     stack.advance(now)                      fires what is due
//     stack.deadline()                        when advance() must next be called: may be early, never late
//     stack.has_output(), transmit(now, sink) what is to be sent, offered as gather lists
//     stack.transmitted(token)                the memory of a frame that the sink held is free again
//     listen, accept, connect, read, ...      the user's calls (stack_port)
//
// receive, advance and user calls never emit. transmit() sends replies first, then one connection after the other, a
// few frames each (deficit round robin). What a sink refuses has not happened.
//
// One owner, one thread. All secrets derive from config.seed; with equal inputs two stacks do exactly the same.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "tcpco/stack/arrival_memory.hpp"
#include "tcpco/stack/config.hpp"
#include "tcpco/stack/header_template.hpp"
#include "tcpco/stack/loopback.hpp"
#include "tcpco/stack/network_layer.hpp"
#include "tcpco/stack/outbox.hpp"
#include "tcpco/stack/stack_port.hpp"
#include "tcpco/storage/flow_table.hpp"
#include "tcpco/storage/timer_wheel.hpp"
#include "tcpco/tcp/both_ways.hpp"
#include "tcpco/tcp/header_prediction.hpp"
#include "tcpco/tcp/listener.hpp"
#include "tcpco/tcp/plain_segment.hpp"
#include "tcpco/tcp/segment_arrives.hpp"
#include "tcpco/tcp/segment_run.hpp"
#include "tcpco/tcp/syn_received_record.hpp"
#include "tcpco/tcp/time_wait_record.hpp"
#include "tcpco/tcp/timeouts.hpp"
#include "tcpco/tcp/user_calls.hpp"

namespace tcpco {

namespace detail {

// A base, so that what stack_port refers to is there before it.
template <class B>
struct stack_storage {
    tcp_host<B> host;
};

}  // namespace detail

template <class Bundle = default_policies>
class basic_stack final : detail::stack_storage<Bundle>, public stack_port {
public:
    using bundle = Bundle;
    using config = stack_config<Bundle>;
    using device_config = tcpco::device_config;

    // Allocates its pools; throws std::bad_alloc where exceptions are on, and nothing ever after.
    explicit basic_stack(const config& c);
    ~basic_stack() = default;

    // --- the driver's side -----------------------------------------------------------------------------------------

    // Frames that arrived, with the ownership of their slots, in the order in which they came. Segments among them that
    // continue one another are taken as one (gathered_text.hpp). info.arrived_at may be left at zero: then it is `now`.
    // What is left in `frames` afterwards is nobody's.
    void receive(time_point now, std::span<frame> frames);
    void receive(time_point now, frame&& f) { receive(now, std::span{&f, 1}); }
    // The simple door: copies the octets first. No slot free: dropped and counted.
    void receive_copy(time_point now, std::span<const std::byte> octets, frame_info info = {});

    void advance(time_point now);
    time_point deadline() const noexcept
    {
        const time_point end = live_ > 0 ? shutdown_at_ : time_point::never();
        return std::min({timers_.deadline(), time_wait_timers_.deadline(), syn_timers_.deadline(),
                         network_.deadline(), end});
    }

    bool has_output() const noexcept
    {
        return (!dirty_.empty() || network_.has_output() || !loopback_.empty()) && !outbox_.exhausted();
    }
    // Offers up to `budget` frames to sink(const outgoing_frame&) -> sink_verdict; returns how many it took. Frames
    // from the stack to itself never meet the sink, but count: they are work, too, and the budget bounds it.
    template <class Sink>
    std::size_t transmit(time_point now, Sink&& sink, std::size_t budget = ~std::size_t{0});
    void transmitted(transmit_token token) noexcept { outbox_.release(token); }

    // Also in mid-life: connections follow the new MTU.
    void configure_device(const device_config& d);
    // The carrier of the link went or came; without a word it is taken for there.
    void link_changed(time_point now, bool up);
    // This stack is at another address from now on.
    void set_address(time_point now, const ip_prefix& address);
    // The device is gone: every connection and every wait ends with `why`, and so does every connect() and listen()
    // until configure_device() brings another; then listeners accept again.
    void device_lost(errc why);

    // --- the user's side (the rest is in stack_port) ---------------------------------------------------------------

    result<connection_id> connect(endpoint remote, const connect_options& options = {}) override;
    result<listener_id> listen(endpoint local, std::uint32_t backlog = 128) override;
    errc close(listener_id id) override;
    errc shutdown(connection_id id) override;
    errc close(connection_id id) override;
    errc abort(connection_id id) override;
    result<tcp_info> info(connection_id id) override;

    // The graceful end: every listener and every connection is closed (FIN); then the impatient one: RST to all.
    void close_all(time_point now);
    void abort_all(time_point now);

    // Both in one, in virtual or real time: no new connections from now on (connect() and listen() answer
    // operation_not_permitted), FINs now, and from `deadline` on, when advance() notices, RSTs. Once more: only the
    // deadline changes. There is no way back.
    void shutdown(time_point now, time_point deadline);
    // shutdown() was called, and no connection is left: what has_output() is all that remains. TIME-WAIT is not waited
    // for.
    bool is_shut_down() const noexcept { return shut_down_ && live_ == 0; }

    // How many connections shutdown()'s deadline has reset.
    std::size_t cut_off() const noexcept { return cut_off_; }

    // New Fast Open cookies are made with a key of this seed; those made with the key before stay good, older ones do
    // not (RFC7413-4.1.2a).
    void rotate_fast_open_key(const stack_seed& seed) noexcept { host.fast_open_server.rotate(derive_key(seed, 8)); }

    // --- socket_tuning ---------------------------------------------------------------------------------------------

    errc set_send_buffer(connection_id id, std::size_t octets) override;
    errc set_receive_buffer(connection_id id, octet_count octets) override;
    result<octet_count> receive_buffer_of(connection_id id) override;
    errc set_backlog(listener_id id, std::uint32_t backlog) override;
    errc set_maximum_segment(listener_id id, std::uint16_t octets) override;
    socket_state look(connection_id id) override;
    bool is_local_in_use(endpoint local) override;
    std::uint16_t free_port(const ip_address& local) override { return ephemeral_port({}, local); }
    bool has_address(const ip_address& address) const override { return network_.is_local(address); }
    const char* congestion_name(connection_id id) override;
    errc set_congestion(connection_id id, std::string_view name) override;
    errc set_fin_wait_2_timeout(connection_id id, std::int16_t seconds) override;

    // A neighbour that ARP need not ask for.
    bool set_neighbour(ipv4_address address, mac_address mac) { return network_.set_neighbour(address, mac); }

    // Connections that are not over: TIME-WAIT does not count, nobody has to wait for it.
    std::size_t connection_count() const noexcept { return live_; }
    const stack_counters& counters() const noexcept { return host.counters; }
    typename Bundle::observer& observer() noexcept { return host.observer; }
    const typename Bundle::syn_defence& syn_defence() const noexcept { return host.syn_defence; }
    ip_address address() const noexcept { return network_.config().address.address; }

    // Compact records of connections in TIME-WAIT that nobody holds any more; at most stack_limits.time_wait.
    // Those that a new SYN has set aside are not counted.
    std::size_t time_wait_count() const noexcept { return time_waits_.size() - set_aside_; }
    // Compact records of half-open connections; at most stack_limits.syn_received.
    std::size_t syn_received_count() const noexcept { return syn_queue_.size(); }

    // Calls fn(connection_id, const tcp_info&) for each connection, owned or not. Compact records of TIME-WAIT come
    // last, with the id that the connection had and without statistics; before them half-open ones, whose id is good
    // until something happens to them.
    template <class F>
    void for_each_connection(F&& fn);

    // Everything that must hold between calls. A no-op unless TCPCO_CHECKED; there each call checks the connection
    // that it touched, and this checks all.
    void check_invariants() const;

private:
    using connection_type = connection<Bundle>;
    using step_type = step<Bundle>;
    using detail::stack_storage<Bundle>::host;

    enum class send_outcome : std::uint8_t { sent, idle, refused, unresolved };

    // tcp_input.hpp
    using likeness = arrival_memory::likeness;
    connection_type* find_known(const std::byte* ip, likeness like);
    transmission_control_block* find_among_hints(const std::byte* ip) noexcept;
    std::size_t receive_first(std::span<frame> frames);
    std::size_t receive_known(std::span<frame> frames, likeness like);
    void receive_for(connection_type& c, frame& f, std::uint8_t ecn);
    bool receive_alike(frame& f, datagram& d);
    std::size_t receive_predicted(connection_type& c, std::span<frame> frames, std::uint8_t ecn,
                                  prediction<Bundle>& p, step_type& st);
    void receive_segment(datagram&& d);
    bool read_segment(const ip_address& source, const ip_address& destination, slice&& octets, const frame_info& info,
                      std::uint8_t ecn, arriving_segment& seg);
    void arrive(connection_type& c, arriving_segment& seg);
    time_wait_answer ask_time_wait(const connection_type& c, const arriving_segment& seg, duration rto,
                                   std::optional<sequence_number>& not_below);
    void arrive_at_listener(const four_tuple& flow, arriving_segment& seg, const sequence_number* not_below);
    void take_syn(listener& l, std::uint32_t index, const four_tuple& flow, arriving_segment& seg,
                  const sequence_number* not_below);
    void accept_cookie(listener& l, std::uint32_t index, const four_tuple& flow, arriving_segment& seg);
    bool overflows_accept_queue(connection_type& c, const arriving_segment& seg);
    void answer(const std::optional<stateless_segment>& reply);
    std::uint32_t find_listener(const endpoint& local) const noexcept;
    void on_icmp(const icmp_notice& notice);
    void on_packet_too_big(connection_type& c, const icmp_notice& notice);
    void on_neighbours()
    {
        const bool failed = network_.take_unreachable();
        if (network_.take_resolved() || failed) {
            wake_unresolved(failed);
        }
    }
    void wake_unresolved(bool failed);

    // gathering.hpp
    void gather(const connection_type& c, frame& f, std::span<frame> next, prediction<Bundle>& p);
    slice put_together(const frame& f, const prediction<Bundle>& p);

    // tcp_output.hpp
    struct segment_run;
    template <class Sink>
    send_outcome send_one(connection_type& c, step_type& st, segment_run& run, Sink& sink);
    template <class Sink>
    std::size_t send_run(connection_type& c, step_type& st, segment_run& run, Sink& sink, std::size_t most,
                         send_outcome& outcome);
    void build_frame(outbox::entry& e, const connection_type& c, leaving_segment& out, mac_address next_hop,
                     frame_info& info);
    void build_around(outbox::entry& e, const connection_type& c, const segment_run& run);
    bool build_again(outbox::entry& e, const connection_type& c, const segment_run& run);
    const mac_address* plain_next_hop(const connection_type& c) const noexcept;
    template <class Sink>
    send_outcome send_plain(connection_type& c, step_type& st, Sink& sink);
    void build_plain(outbox::entry& e, const connection_type& c, const plain_segment& out, mac_address next_hop,
                     const frame_info& info);
    template <class Sink>
    std::size_t transmit_some(Sink& sink, std::size_t budget);
    template <class Sink>
    std::size_t transmit_replies(Sink& sink, std::size_t budget);
    void deliver_looped();
    // To ourselves, to nowhere while there is no carrier, or to the device.
    template <class Sink>
    sink_verdict emit(const outgoing_frame& f, bool local, Sink& sink)
    {
        if (local) {
            loopback_.push(f);
        } else if (!link_up_) {
            ++host.counters.frames_without_carrier;
        } else {
            return sink(f);
        }
        return sink_verdict::done;
    }
    template <class Sink>
    std::size_t transmit_connection(std::uint32_t index, Sink& sink, std::size_t budget, bool& refused);
    template <class Sink>
    std::size_t transmit_turn(connection_type& c, step_type& st, Sink& sink, std::size_t budget, bool& refused);

    // time_waits.hpp
    void compact(connection_type& c);
    void orphan(connection_type& c, step_type& st);
    slab_id keep_time_wait(const connection_type& c);
    void forget_time_wait(std::uint32_t index);
    void set_time_wait_aside(const four_tuple& flow);
    void end_set_aside(const four_tuple& flow, bool opened);
    template <class Call>
    void on_time_wait(std::uint32_t index, Call&& call);
    bool arrive_in_time_wait(std::uint32_t index, arriving_segment& seg, std::optional<sequence_number>& not_below);
    void advance_time_waits();
    void abort_time_waits();

    // syn_queue.hpp
    std::uint32_t first_half_open() const noexcept { return connections_.limit() + time_waits_.limit(); }
    void to_syn_queue(connection_type& c);
    connection_type* from_syn_queue(std::uint32_t index);
    void forget_half_open(std::uint32_t index);
    void abort_half_open(std::uint32_t index);
    void advance_syn_queue();

    // link_life.hpp
    void change_mtu(octet_count mtu);
    void revive_listeners();
    void end_without_reset(connection_type& c, errc why);

    // flows.hpp
    four_tuple flow_of(std::uint32_t value) const noexcept;
    bool has_flow(std::uint32_t value, const four_tuple& flow) const noexcept;
    auto is_named(const four_tuple& flow) const noexcept
    {
        return [this, &flow](std::uint32_t value) { return has_flow(value, flow); };
    }
    std::uint32_t find_flow(const four_tuple& flow) const noexcept { return flows_.find(flow, is_named(flow)); }
    bool insert_flow(const four_tuple& flow, std::uint32_t value) noexcept
    {
        return flows_.insert(flow, value, is_named(flow)) == decltype(flows_)::outcome::inserted;
    }
    bool replace_flow(const four_tuple& flow, std::uint32_t value) noexcept
    {
        return flows_.replace(flow, value, is_named(flow));
    }
    void erase_flow(const four_tuple& flow) noexcept { flows_.erase(flow, is_named(flow)); }
    // False: it is another's, or nobody's.
    bool erase_flow_of(const four_tuple& flow, std::uint32_t value) noexcept
    {
        return flows_.erase(flow, [value](std::uint32_t named) { return named == value; });
    }
    auto is_listening(const endpoint& local) const noexcept
    {
        return [this, &local](std::uint32_t index) { return listeners_.at(index).local == local; };
    }
    std::uint32_t find_listening(const endpoint& local) const noexcept
    {
        return listening_.find(local, is_listening(local));
    }
    void erase_listening(const endpoint& local) noexcept { listening_.erase(local, is_listening(local)); }

    // connections.hpp, socket_calls.hpp
    connection_type* make_connection();
    void settle(connection_type& c, tcp_state was, step_type& st);
    void settle_predicted(connection_type& c, sender_active<Bundle>* s, step_type& st);
    void note_readiness(connection_type& c, sender_active<Bundle>* s, step_type& st);
    void account(connection_type& c, tcp_state was);
    void enqueue(listener& l, connection_type& c);
    void bury(connection_type& c);
    void erase(connection_type& c);
    void fire_due();
    void arm(connection_type& c);
    void arm_node(connection_type& c, time_point at);
    void note_unresolved(connection_type& c);
    void give_up(connection_type& c);
    void check_connection(const connection_type& c) const;
    connection_type* connection_of(connection_id id) noexcept { return connections_.get(id); }
    std::uint16_t ephemeral_port(const endpoint& remote, const ip_address& local);
    // What would come back to this stack: it owns the flow, or nothing of it ever meets the device.
    bool is_ours(const four_tuple& flow) const noexcept
    {
        return owner_.owns(flow) || flow.remote.port == 0 || network_.is_local(flow.remote.address);
    }
    template <class Call>
    errc on_connection(connection_id id, Call&& call);
    void count_half_open(listener& l) noexcept
    {
        ++l.half_open;
        ++half_open_;
    }
    void uncount_half_open(slab_id listening) noexcept
    {
        --half_open_;
        if (listener* l = listeners_.get(listening)) {
            --l->half_open;
        }
    }
    listener* find(listener_id id) noexcept override { return listeners_.get(id.value); }
    slab_id listener_at(std::uint32_t index) noexcept override { return listeners_.id_of(index); }

    step_type step_at(time_point now) noexcept { return step_type{host, now, {}}; }
    void enter(time_point now) noexcept
    {
        now_ = std::max(now_, now);
        began_ = std::min(began_, now_);
    }
    // RFC9293-3.4.3a
    bool is_quiet() const noexcept
    {
        const duration quiet = host.settings.quiet_time;
        return quiet > duration{} && (began_ == time_point::never() || now_ < began_ + quiet);
    }

    buffer_pool frames_;
    buffer_pool jumbos_;
    network_layer network_;
    outbox outbox_;
    loopback loopback_;
    arrival_memory recent_;
    std::array<std::uint32_t, 1'024> hints_{};  // indices of connections that may have been asked for last
    slab<connection_type> connections_;
    slab<listener> listeners_;
    flow_table<four_tuple, flow_hash> flows_;
    flow_table<endpoint, endpoint_hash> listening_;
    timer_wheel timers_;
    slab<time_wait_record> time_waits_;
    timer_wheel time_wait_timers_;
    index_list time_wait_order_;  // the oldest first
    std::uint32_t set_aside_ = 0;  // records whose place a half-open connection has taken
    slab<syn_received_record> syn_queue_;
    timer_wheel syn_timers_;
    std::uint32_t half_open_ = 0;  // connections and records in SYN-RECEIVED that came out of LISTEN
    std::uint32_t whole_half_open_;  // as long as these are no more than that, none becomes a record
    siphash_key port_key_;
    flow_owner owner_;
    std::uint32_t port_counter_ = 0;
    time_point began_ = time_point::never();  // the first moment that the stack was told
    std::size_t live_ = 0;
    std::uint32_t orphans_ = 0;
    std::uint32_t orphan_limit_;
    bool closing_all_ = false;
    time_point shutdown_at_ = time_point::never();
    std::size_t cut_off_ = 0;
    bool shut_down_ = false;
    bool checksum_offload_ = false;
    bool link_up_ = true;
    errc lost_ = errc::ok;  // why there is no device any more
};

}  // namespace tcpco

#include "tcpco/stack/connections.hpp"
#include "tcpco/stack/flows.hpp"
#include "tcpco/stack/gathering.hpp"
#include "tcpco/stack/link_life.hpp"
#include "tcpco/stack/plain_output.hpp"
#include "tcpco/stack/socket_calls.hpp"
#include "tcpco/stack/syn_queue.hpp"
#include "tcpco/stack/tcp_input.hpp"
#include "tcpco/stack/tcp_listen.hpp"
#include "tcpco/stack/tcp_output.hpp"
#include "tcpco/stack/time_waits.hpp"
#include "tcpco/stack/tuning_calls.hpp"
