//! Any legal packet, for the property tests.

use std::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use enviomq_mqtt::{
    Ack, Auth, AuthProperties, ByteString, ConnAck, ConnAckProperties, Connect, ConnectProperties,
    ControlPacket, Disconnect, DisconnectProperties, PacketId, ProtocolVersion, Publish,
    PublishProperties, QoS, ReasonCode, ReasonProperties, RetainHandling, SubAck, Subscribe,
    SubscriptionOptions, TopicFilter, TopicName, UnsubAck, Unsubscribe, UserProperties, Will,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{From, V3_1_1, V5};

/// A packet, who sends it, and in which version.
pub(crate) fn sent_packet() -> impl Strategy<Value = (From, ProtocolVersion, ControlPacket)> {
    let sides = select(vec![From::Client, From::Server]);
    let versions = select(vec![V3_1_1, V5]);
    (sides, versions).prop_flat_map(|(from, version)| {
        let packet = match from {
            From::Client => client_packet(version),
            From::Server => server_packet(version),
        };
        (Just(from), Just(version), packet)
    })
}

fn client_packet(version: ProtocolVersion) -> BoxedStrategy<ControlPacket> {
    let disconnect = match version {
        V3_1_1 => Just(Disconnect::new(ReasonCode::Success)).boxed(),
        V5 => client_disconnect().boxed(),
    };
    let auth = auth(vec![
        ReasonCode::ContinueAuthentication,
        ReasonCode::ReAuthenticate,
    ]);
    prop_oneof![
        3 => connect(version),
        3 => publish(version, From::Client),
        2 => exchange(version),
        2 => subscribe(version),
        1 => unsubscribe(version),
        1 => disconnect.prop_map(ControlPacket::Disconnect),
        1 => if version == V5 { auth } else { Just(ControlPacket::PingReq).boxed() },
    ]
    .boxed()
}

fn server_packet(version: ProtocolVersion) -> BoxedStrategy<ControlPacket> {
    let auth = auth(vec![
        ReasonCode::ContinueAuthentication,
        ReasonCode::Success,
    ]);
    let farewell = match version {
        V3_1_1 => Just(ControlPacket::PingResp).boxed(),
        V5 => prop_oneof![server_disconnect(), auth].boxed(),
    };
    prop_oneof![
        2 => connack(version),
        3 => publish(version, From::Server),
        2 => exchange(version),
        2 => suback(version),
        1 => unsuback(version),
        1 => farewell,
    ]
    .boxed()
}

fn connect(version: ProtocolVersion) -> BoxedStrategy<ControlPacket> {
    let properties = (
        of(any::<u32>()),
        of(any::<NonZeroU16>()),
        of(any::<NonZeroU32>()),
        of(any::<u16>()),
        of(any::<bool>()),
        of(any::<bool>()),
        user_properties(),
        of((text(), of(binary()))),
    );
    let properties = properties.prop_map(
        |(expiry, receive, size, alias, response, problem, user_properties, auth)| {
            let (authentication_method, authentication_data) =
                auth.map_or((None, None), |(method, data)| (Some(method), data));
            ConnectProperties {
                session_expiry_interval_s: expiry,
                receive_maximum: receive,
                maximum_packet_size: size,
                topic_alias_maximum: alias,
                request_response_information: response,
                request_problem_information: problem,
                user_properties,
                authentication_method,
                authentication_data,
            }
        },
    );
    let credentials = (of(text()), of(binary()));
    (
        any::<bool>(),
        any::<u16>(),
        text(),
        of(will(version)),
        credentials,
        properties,
    )
        .prop_map(
            move |(
                clean_start,
                keep_alive_s,
                client_id,
                will,
                (username, password),
                properties,
            )| {
                ControlPacket::Connect(Box::new(Connect {
                    version,
                    clean_start,
                    keep_alive_s,
                    client_id,
                    will,
                    // 3.1.1 has no password without a user name.
                    password: password.filter(|_| version == V5 || username.is_some()),
                    username,
                    properties: if version == V5 {
                        properties
                    } else {
                        ConnectProperties::default()
                    },
                }))
            },
        )
        .boxed()
}

fn will(version: ProtocolVersion) -> impl Strategy<Value = Will> {
    let properties = publish_properties(From::Client).prop_map(|mut properties| {
        properties.topic_alias = None;
        Some(properties)
            .filter(|properties| *properties != PublishProperties::default())
            .map(Box::new)
    });
    (
        topic_name(),
        binary(),
        qos(),
        any::<bool>(),
        any::<u32>(),
        properties,
    )
        .prop_map(
            move |(topic, payload, qos, retain, delay_interval_s, properties)| Will {
                topic,
                payload,
                qos,
                retain,
                delay_interval_s: if version == V5 { delay_interval_s } else { 0 },
                properties: properties.filter(|_| version == V5),
            },
        )
}

fn connack(version: ProtocolVersion) -> BoxedStrategy<ControlPacket> {
    let limits = (
        of(any::<u32>()),
        of(any::<NonZeroU16>()),
        of(select(vec![QoS::AtMostOnce, QoS::AtLeastOnce])),
        of(any::<NonZeroU32>()),
        of(any::<u16>()),
        of(any::<u16>()),
    );
    let switches = (
        of(any::<bool>()),
        of(any::<bool>()),
        of(any::<bool>()),
        of(any::<bool>()),
    );
    let texts = (
        of(text()),
        of(text()),
        of(text()),
        of(text()),
        of((text(), of(binary()))),
    );
    let properties = (limits, switches, texts, user_properties()).prop_map(
        |(limits, switches, texts, user_properties)| {
            let (authentication_method, authentication_data) = texts
                .4
                .map_or((None, None), |(method, data)| (Some(method), data));
            ConnAckProperties {
                session_expiry_interval_s: limits.0,
                receive_maximum: limits.1,
                maximum_qos: limits.2,
                maximum_packet_size: limits.3,
                topic_alias_maximum: limits.4,
                server_keep_alive_s: limits.5,
                retain_available: switches.0,
                wildcard_subscription_available: switches.1,
                subscription_identifiers_available: switches.2,
                shared_subscription_available: switches.3,
                assigned_client_identifier: texts.0,
                reason_string: texts.1,
                response_information: texts.2,
                server_reference: texts.3,
                authentication_method,
                authentication_data,
                user_properties,
            }
        },
    );
    let reasons = match version {
        V3_1_1 => vec![
            ReasonCode::Success,
            ReasonCode::NotAuthorized,
            ReasonCode::ServerUnavailable,
        ],
        V5 => vec![
            ReasonCode::Success,
            ReasonCode::Banned,
            ReasonCode::ConnectionRateExceeded,
        ],
    };
    (any::<bool>(), select(reasons), properties)
        .prop_map(move |(present, reason, properties)| {
            ControlPacket::ConnAck(Box::new(ConnAck {
                session_present: present && reason == ReasonCode::Success,
                reason,
                properties: if version == V5 {
                    properties
                } else {
                    ConnAckProperties::default()
                },
            }))
        })
        .boxed()
}

fn publish(version: ProtocolVersion, from: From) -> BoxedStrategy<ControlPacket> {
    let payload = prop_oneof![
        vec(any::<u8>(), 0..40),
        Just(vec![b'x'; 200]),
        Just(vec![0; 17_000])
    ];
    (
        any::<bool>(),
        qos(),
        any::<bool>(),
        topic_name(),
        any::<bool>(),
        packet_id(),
        payload,
        of(publish_properties(from)),
    )
        .prop_map(
            move |(dup, qos, retain, topic, leave_out, packet_id, payload, properties)| {
                let properties = properties
                    .filter(|properties| {
                        version == V5 && *properties != PublishProperties::default()
                    })
                    .map(Box::new);
                let has_alias = properties
                    .as_ref()
                    .is_some_and(|properties| properties.topic_alias.is_some());
                ControlPacket::Publish(Publish {
                    dup: dup && qos != QoS::AtMostOnce,
                    qos,
                    retain,
                    topic: if leave_out && has_alias {
                        ByteString::new()
                    } else {
                        topic.into()
                    },
                    packet_id: Some(packet_id).filter(|_| qos != QoS::AtMostOnce),
                    payload: payload.into(),
                    properties,
                })
            },
        )
        .boxed()
}

fn publish_properties(from: From) -> impl Strategy<Value = PublishProperties> {
    let identifiers = vec(
        1..=268_435_455_u32,
        if from == From::Server { 0..4 } else { 0..1 },
    );
    let ours = (
        of(any::<bool>()),
        of(any::<u32>()),
        of(any::<NonZeroU16>()),
        of(topic_name()),
        of(binary()),
        of(text()),
    );
    (ours, user_properties(), identifiers).prop_map(|(ours, user_properties, identifiers)| {
        PublishProperties {
            payload_format_is_utf8: ours.0,
            message_expiry_interval_s: ours.1,
            topic_alias: ours.2,
            response_topic: ours.3.map(ByteString::from),
            correlation_data: ours.4,
            content_type: ours.5,
            user_properties,
            subscription_identifiers: identifiers.into(),
        }
    })
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
fn exchange(version: ProtocolVersion) -> BoxedStrategy<ControlPacket> {
    let answers = vec![
        ReasonCode::Success,
        ReasonCode::NoMatchingSubscribers,
        ReasonCode::QuotaExceeded,
    ];
    let releases = vec![ReasonCode::Success, ReasonCode::PacketIdentifierNotFound];
    let make = move |(packet_id, reason, properties): (
        PacketId,
        ReasonCode,
        Option<Box<ReasonProperties>>,
    )| match version {
        V3_1_1 => Ack::new(packet_id, ReasonCode::Success),
        V5 => Ack {
            packet_id,
            reason,
            properties,
        },
    };
    let answer = (packet_id(), select(answers), reason_properties()).prop_map(make);
    let release = (packet_id(), select(releases), reason_properties()).prop_map(make);
    prop_oneof![
        answer.clone().prop_map(ControlPacket::PubAck),
        answer.prop_map(ControlPacket::PubRec),
        release.clone().prop_map(ControlPacket::PubRel),
        release.prop_map(ControlPacket::PubComp),
    ]
    .boxed()
}

fn subscribe(version: ProtocolVersion) -> BoxedStrategy<ControlPacket> {
    let handling = select(vec![
        RetainHandling::SendAtSubscribe,
        RetainHandling::SendIfNew,
        RetainHandling::DoNotSend,
    ]);
    let options = (qos(), any::<bool>(), any::<bool>(), handling);
    let filters = vec((topic_filter(), options), 1..5).prop_map(move |filters| {
        let with_options =
            |(filter, (qos, no_local, retain_as_published, retain_handling)): (TopicFilter, _)| {
                let options = match version {
                    V3_1_1 => SubscriptionOptions::from(qos),
                    V5 => SubscriptionOptions {
                        maximum_qos: qos,
                        no_local: no_local && filter.share().is_none(),
                        retain_as_published,
                        retain_handling,
                    },
                };
                (filter, options)
            };
        filters.into_iter().map(with_options).collect()
    });
    (
        packet_id(),
        filters,
        of(1..=268_435_455_u32),
        user_properties(),
    )
        .prop_map(move |(packet_id, filters, identifier, user_properties)| {
            ControlPacket::Subscribe(Subscribe {
                packet_id,
                filters,
                subscription_identifier: identifier.filter(|_| version == V5),
                user_properties: if version == V5 {
                    user_properties
                } else {
                    vec![]
                },
            })
        })
        .boxed()
}

fn suback(version: ProtocolVersion) -> BoxedStrategy<ControlPacket> {
    let reasons = match version {
        V3_1_1 => vec![
            ReasonCode::Success,
            ReasonCode::GrantedQoS2,
            ReasonCode::UnspecifiedError,
        ],
        V5 => vec![
            ReasonCode::Success,
            ReasonCode::GrantedQoS1,
            ReasonCode::WildcardSubscriptionsNotSupported,
        ],
    };
    (packet_id(), vec(select(reasons), 1..5), reason_properties())
        .prop_map(move |(packet_id, reasons, properties)| {
            let properties = properties.filter(|_| version == V5);
            ControlPacket::SubAck(SubAck {
                packet_id,
                reasons,
                properties,
            })
        })
        .boxed()
}

fn unsubscribe(version: ProtocolVersion) -> BoxedStrategy<ControlPacket> {
    (packet_id(), vec(topic_filter(), 1..5), user_properties())
        .prop_map(move |(packet_id, filters, user_properties)| {
            let user_properties = if version == V5 {
                user_properties
            } else {
                vec![]
            };
            ControlPacket::Unsubscribe(Unsubscribe {
                packet_id,
                filters,
                user_properties,
            })
        })
        .boxed()
}

fn unsuback(version: ProtocolVersion) -> BoxedStrategy<ControlPacket> {
    let reasons = vec(
        select(vec![ReasonCode::Success, ReasonCode::NoSubscriptionExisted]),
        1..5,
    );
    (packet_id(), reasons, reason_properties())
        .prop_map(move |(packet_id, reasons, properties)| {
            ControlPacket::UnsubAck(match version {
                V3_1_1 => UnsubAck {
                    packet_id,
                    reasons: vec![],
                    properties: None,
                },
                V5 => UnsubAck {
                    packet_id,
                    reasons,
                    properties,
                },
            })
        })
        .boxed()
}

fn client_disconnect() -> impl Strategy<Value = Disconnect> {
    let reasons = select(vec![
        ReasonCode::Success,
        ReasonCode::DisconnectWithWill,
        ReasonCode::QuotaExceeded,
    ]);
    (reasons, of(any::<u32>()), of(text()), user_properties()).prop_map(
        |(reason, session_expiry_interval_s, reason_string, user_properties)| {
            disconnect(
                reason,
                DisconnectProperties {
                    session_expiry_interval_s,
                    reason_string,
                    user_properties,
                    server_reference: None,
                },
            )
        },
    )
}

fn server_disconnect() -> BoxedStrategy<ControlPacket> {
    let reasons = select(vec![
        ReasonCode::Success,
        ReasonCode::ServerMoved,
        ReasonCode::SessionTakenOver,
    ]);
    (reasons, of(text()), of(text()), user_properties())
        .prop_map(
            |(reason, reason_string, server_reference, user_properties)| {
                ControlPacket::Disconnect(disconnect(
                    reason,
                    DisconnectProperties {
                        session_expiry_interval_s: None,
                        reason_string,
                        user_properties,
                        server_reference,
                    },
                ))
            },
        )
        .boxed()
}

fn disconnect(reason: ReasonCode, properties: DisconnectProperties) -> Disconnect {
    let properties =
        Some(properties).filter(|properties| *properties != DisconnectProperties::default());
    Disconnect {
        reason,
        properties: properties.map(Box::new),
    }
}

fn auth(reasons: Vec<ReasonCode>) -> BoxedStrategy<ControlPacket> {
    (
        select(reasons),
        text(),
        of(binary()),
        of(text()),
        user_properties(),
    )
        .prop_map(
            |(reason, method, authentication_data, reason_string, user_properties)| {
                let authentication_method = Some(method);
                ControlPacket::Auth(Auth {
                    reason,
                    properties: AuthProperties {
                        authentication_method,
                        authentication_data,
                        reason_string,
                        user_properties,
                    },
                })
            },
        )
        .boxed()
}

fn reason_properties() -> impl Strategy<Value = Option<Box<ReasonProperties>>> + Clone {
    (of(text()), user_properties()).prop_map(|(reason_string, user_properties)| {
        let properties = ReasonProperties {
            reason_string,
            user_properties,
        };
        Some(properties)
            .filter(|properties| *properties != ReasonProperties::default())
            .map(Box::new)
    })
}

fn user_properties() -> impl Strategy<Value = UserProperties> + Clone {
    vec((text(), text()), 0..3)
}

fn packet_id() -> impl Strategy<Value = PacketId> + Clone {
    any::<PacketId>()
}

fn qos() -> impl Strategy<Value = QoS> {
    select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

fn binary() -> impl Strategy<Value = Bytes> + Clone {
    vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}

fn text() -> impl Strategy<Value = ByteString> + Clone {
    "[^\\x00]{0,12}".prop_map(ByteString::from)
}

fn topic_name() -> impl Strategy<Value = TopicName> {
    "[^\\x00+#]{1,12}".prop_map(|text| TopicName::try_from(text).unwrap())
}

fn topic_filter() -> impl Strategy<Value = TopicFilter> {
    select(vec![
        "a",
        "/",
        "+",
        "#",
        "a/+/c",
        "a/#",
        "$SYS/#",
        "$share/g/a/#",
        "ñandú/+",
    ])
    .prop_map(|text| TopicFilter::try_from(text).unwrap())
}
