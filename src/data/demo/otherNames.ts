/**
 * Names in the sets that are not CLDR's of today, each with its CLDR key: names of older Unicode versions
 * ("direct hit"), the vendor's own ("grintears"), and misspellings ("hampster"). Written without signs and spaces, and
 * checked against the drawings. "set/name" holds for one set only, which uses a CLDR name for another thing.
 */
const table = `
  2hearts=two_hearts abbutton=ab_button_blood_type abutton=a_button_blood_type americasglobe=globe_showing_americas
  anger=anger_symbol angry=angry_face anguish=anguished_face antennawithbars=antenna_bars
  anxiousface=anxious_face_with_sweat aok=ok_hand asiaaustraliaglobe=globe_showing_asia_australia
  astonished=astonished_face aubergine=eggplant automatedtellermachine=atm_sign backofenvelope=envelope
  bactriancamel=two_hump_camel ballotboxwithcheck=check_box_with_check banknotedollar=dollar_banknote
  banknoteeuro=euro_banknote banknotepound=pound_banknote banknoteyen=yen_banknote basketballandhoop=basketball
  bath=person_taking_bath bbutton=b_button_blood_type beachumbrella=beach_with_umbrella bearface=bear
  bellcancellation=bell_with_slash bicyclist=person_biking billiards=pool_8_ball blackclubsuit=club_suit
  blackdiamondsuit=diamond_suit blackheartsuit=heart_suit blackpushpin=pushpin blackrightwardsarrow=right_arrow
  blackscissors=scissors blackskullcrossbones=skull_and_crossbones blackspadesuit=spade_suit blacktelephone=telephone
  blackuniversalrecyclingsymbol=recycling_symbol blonde=person_blond_hair blondhairedperson=person_blond_hair
  bolt=high_voltage bookmarktab=bookmark_tabs boot=womans_boot bouquetofflowers=bouquet bow=ribbon
  bowing=person_bowing bride=person_with_veil bridewithveil=person_with_veil bullhorn=loudspeaker
  bullhornwithsoundwaves=loudspeaker bunny=rabbit_face bunnyside=rabbit catfacewithtearsofjoy=cat_with_tears_of_joy
  catfacewithwrysmile=cat_with_wry_smile catside=cat cellphone=mobile_phone chartdownwardstrend=chart_decreasing
  chartupwardstrend=chart_increasing chartupwardstrendyen=chart_increasing_with_yen chilipepper=hot_pepper
  chineseflag=flag_china clap=clapping_hands clock12oclock=twelve_oclock clock12thirty=twelve_thirty
  clock1oclock=one_oclock clock1thirty=one_thirty clock2oclock=two_oclock clock2thirty=two_thirty
  clock3oclock=three_oclock clock3thirty=three_thirty clock4oclock=four_oclock clock4thirty=four_thirty
  clock5thirty=five_thirty clock6oclock=six_oclock clock6thirty=six_thirty clock7oclock=seven_oclock
  closedmailboxlowered=closed_mailbox_with_lowered_flag closedmailboxraised=closed_mailbox_with_raised_flag
  coldsweat=anxious_face_with_sweat compression=clamp confetti=confetti_ball confounded=confounded_face
  confused=confused_face construct=construction_worker constructionsign=construction controlknob=control_knobs
  cop=police_officer couple=couple_with_heart couplekiss=kiss crazyface=zany_face crying=crying_face
  cryingcatface=crying_cat curryandrice=curry_rice daggerknife=dagger dancer=woman_dancing darksunglasses=sunglasses
  dash=dashing_away devilhorns=smiling_face_with_horns diamondshapewithdotinside=diamond_with_a_dot
  directhit=bullseye disappointed=disappointed_face dissapointedrelief=sad_but_relieved_face
  dizzyface=face_with_crossed_out_eyes dogside=dog donotlittersymbol=no_littering
  doubleexclaimationmark=double_exclamation_mark doveofpeace=dove down=backhand_index_pointing_down
  downpointingredtriangle=red_triangle_pointed_down dragonhead=dragon_face dragonside=dragon dromedarycamel=camel
  earofmaize=ear_of_corn earofrice=sheaf_of_rice eightpointedblackstar=eight_pointed_star
  eightspokedasterix=eight_spoked_asterisk electrictorch=flashlight envelopedownarrowabove=envelope_with_arrow
  europeafricaglobe=globe_showing_europe_africa europeancastle=castle europeanpostoffice=post_office
  evergreen=evergreen_tree exclaimationquestionmark=exclamation_question_mark exclamationmark=red_exclamation_mark
  expressionless=expressionless_face fallingleaf=fallen_leaf fatherchristmas=santa_claus faxicon=fax_machine
  fearful=fearful_face fireworksparkler=sparkler fishcakeswirl=fish_cake_with_swirl fishingpoleandfish=fishing_pole
  fistedhand=oncoming_fist flagforcocosislands=flag_cocos_keeling_islands flagformacausarchina=flag_macao_sar_china
  flagformacedonia=flag_north_macedonia flagformyanmar=flag_myanmar_burma flagforswaziland=flag_eswatini
  flexbicep=flexed_biceps floppydisk2=floppy_disk flushed=flushed_face forkknife=fork_and_knife foxface=fox
  framewithpicture=framed_picture framewithtiles=framed_picture franceflag=flag_france frogface=frog
  frontfacingchick=front_facing_baby_chick frown=person_frowning frownmouth=frowning_face_with_open_mouth
  fullmoonwithface=full_moon_face fxemoji/cat=cat_face fxemoji/construction=building_construction
  fxemoji/dog=dog_face fxemoji/kiss=kissing_face fxemoji/mouse=mouse_face fxemoji/pig=pig_face
  fxemoji/sunglasses=smiling_face_with_sunglasses fxemoji/tiger=tiger_face gamedice=game_die gem=gem_stone
  girlgirl=women_holding_hands girlguy=woman_and_man_holding_hands gma=old_woman golfer=person_golfing gpa=old_man
  greatbritainflag=flag_united_kingdom grimacing=grimacing_face grin=grinning_face
  grineyes=beaming_face_with_smiling_eyes grinningcatface=grinning_cat
  grinningcatfacewithsmilingeyes=grinning_cat_with_smiling_eyes grinsquint=grinning_squinting_face
  grinsweat=grinning_face_with_sweat grintears=face_with_tears_of_joy grinwide=grinning_face_with_big_eyes
  grinwideeyes=grinning_face_with_smiling_eyes guardsman=guard guyguy=men_holding_hands
  haircut=person_getting_haircut halo=smiling_face_with_halo hampster=hamster hamsterface=hamster hand=raised_hand
  handheldvideocamera=video_camera hands=open_hands handup=person_raising_hand headmassage=person_getting_massage
  heartarrow=heart_with_arrow hearteyes=smiling_face_with_heart_eyes heartgreen=green_heart heartpurple=purple_heart
  heartribbon=heart_with_ribbon heartyellow=yellow_heart heavycheckmark=check_mark heavydivisionsign=divide
  heavyheartexclamation=heart_exclamation heavylargecircle=hollow_red_circle heavylatincross=latin_cross
  heavyminussign=minus heavymultiplicationx=multiply heavyplussign=plus heels=high_heeled_shoe high5=raising_hands
  highbrightness=bright_button highspeedtrainbulletnose=bullet_train hocho=kitchen_knife hourglass=hourglass_done
  hourglassflowingsand=hourglass_not_done housebuilding=house housebuildings=houses
  huggingface=smiling_face_with_open_hands hundredpointssymbol=hundred_points hushed=hushed_face
  imp=angry_face_with_horns index=index_pointing_up informationsource=information italianflag=flag_italy
  izakayalantern=red_paper_lantern japaneseangrymask=ogre japanflag=flag_japan keycaphashtag=keycap_number_sign
  keycappound=keycap_number_sign kissclosedeyes=kissing_face_with_closed_eyes kisseyes=kissing_face_with_smiling_eyes
  kissing=face_blowing_a_kiss kissingcatface=kissing_cat knockedoutface=face_with_crossed_out_eyes
  koreaflag=flag_south_korea laptopcomputer=laptop largebluecircle=blue_circle largeredcircle=red_circle
  leaffluttering=leaf_fluttering_in_wind left=backhand_index_pointing_left lefthandphone=telephone_receiver
  leftmagnifyingglass=magnifying_glass_tilted_left leftwardsarrowwithhook=right_arrow_curving_left
  leftwardsblackarrow=left_arrow leftwritinghand=writing_hand leopardside=leopard linksymbol=link lionface=lion
  lips=mouth lock=locked lockandkey=locked_with_key lockwithinkpen=locked_with_pen loudlycrying=loudly_crying_face
  lowbrightness=dim_button lowerleftcrayon=crayon lowerleftfountainpen=fountain_pen lowerleftpaintbrush=paintbrush
  mahjong=mahjong_red_dragon manandwomanholdinghands=woman_and_man_holding_hands manblondehair=man_blond_hair
  mandeaf=deaf_man maninbusinesssuitlevitating=person_in_suit_levitating
  maninsuitlevitating=person_in_suit_levitating manltepiececlock=mantelpiece_clock manmerpeople=merman
  mansshirt=t_shirt manwithbunnyears=men_with_bunny_ears manwithchinesecap=person_with_skullcap
  manwrestling=men_wrestling medicalmask=face_with_medical_mask mediumblackcircle=black_circle
  mediumwhitecircle=white_circle mensshoe=mans_shoe menssymbol=mens_room meridianglobe=globe_with_meridians
  minidisc=computer_disk monkeyhear=hear_no_evil_monkey monkeysee=see_no_evil_monkey monkeyspeak=speak_no_evil_monkey
  mouseside=mouse moyai=moai multiplemusicalnotes=musical_notes negativesquaredcrossmark=cross_mark_button
  neutral=neutral_face newmoonwithface=new_moon_face noentrysign=prohibited nogesture=person_gesturing_no
  nomouth=face_without_mouth nonpotablewatersymbol=non_potable_water nooneunder18symbol=no_one_under_eighteen
  nosmokingsymbol=no_smoking notebookdecorativecover=notebook_with_decorative_cover obutton=o_button_blood_type
  okgesture=person_gesturing_ok omsymbol=om onexclamationarrow=on_arrow openlock=unlocked
  openmailboxlowered=open_mailbox_with_lowered_flag openmailboxraised=open_mailbox_with_raised_flag
  openmouth=face_with_open_mouth opticaldisc=optical_disk outbox=outbox_tray pandaface=panda pensive=pensive_face
  perservere=persevering_face personalcomputer=desktop_computer personblondehair=person_blond_hair
  persondeaf=deaf_person personelf=elf personfairy=fairy persongenie=genie personmage=mage personmerpeople=merperson
  personsuperhero=superhero personsupervillain=supervillain personvampire=vampire
  personwithbunnyears=people_with_bunny_ears personwrestling=people_wrestling personzombie=zombie phoenixbird=phoenix
  phonerightarrowleft=mobile_phone_with_arrow piata=pinata pigside=pig pigsnout=pig_nose playingcardblackjoker=joker
  policecarsrevolvinglight=police_car_light poo=pile_of_poo portablestereo=radio potablewatersystem=potable_water
  pout=person_pouting pouting=enraged_face poutingcatface=pouting_cat poutingface=enraged_face pray=folded_hands
  present=wrapped_gift putlitterinitsplacesymbol=litter_in_bin_sign questionmark=red_question_mark racecar=racing_car
  raincloud=cloud_with_rain raisedhandpartfingers=vulcan_salute raisedhandsfingerssplayed=hand_with_fingers_splayed
  recreationalvehicle=sport_utility_vehicle redtriangle=red_triangle_pointed_up redwineglass=wine_glass
  relieved=relieved_face reminder=reminder_ribbon reversehandmiddlefinger=middle_finger
  right=backhand_index_pointing_right rightmagnifyingglass=magnifying_glass_tilted_right
  rightwardsarrowwithhook=left_arrow_curving_right ringingbell=bell robotface=robot rowboat=person_rowing_boat
  running=person_running russianflag=flag_russia saggitarius=sagittarius sakebottleandcup=sake sandals=womans_sandal
  schoolbackpack=backpack schoolsatchel=backpack scorpius=scorpio screamfear=face_screaming_in_fear sheep=ewe
  silhouetteohjapan=map_of_japan sixpointedstarwithdot=dotted_six_pointed_star skiandskiboot=skis
  sleeping=sleeping_face sleepy=sleepy_face sleuthspy=detective sliceofpizza=pizza smallfrown=slightly_frowning_face
  smallsmile=slightly_smiling_face smileeyes=smiling_face_with_smiling_eyes smiletongue=face_savoring_food
  smilingcatfacewithhearteyes=smiling_cat_with_heart_eyes smirk=smirking_face smokingsymbol=cigarette
  snowcloud=cloud_with_snow snowmountains=snow_capped_mountain spanishflag=flag_spain speaker=speaker_low_volume
  speaker3soundwaves=speaker_high_volume speakercancellation=muted_speaker speakeronesoundwave=speaker_medium_volume
  speakingheadinsilhouette=speaking_head speechbubble=speech_balloon spiralcalendarpad=spiral_calendar
  spurtingwhale=spouting_whale squaredcl=cl_button squaredcool=cool_button squaredfree=free_button
  squaredid=id_button squarednew=new_button squaredng=ng_button squaredok=ok_button squaredsos=sos_button
  squaredup=up_button squaredvs=vs_button steamlocomotive=locomotive stormcloud=cloud_with_lightning
  studiomic=studio_microphone sunraincloud=sun_behind_rain_cloud sunrays=sun sunsetoverbuildings=sunset
  surfer=person_surfing sweat=downcast_face_with_sweat sweatsplash=sweat_droplets swimming=person_swimming
  telephonereceiver2=telephone_receiver ten=keycap_10 tennisball=tennis thoughtbaloon=thought_balloon
  threebuttonmouse=computer_mouse tie=necktie tigerside=tiger tired=tired_face tongueout=face_with_tongue
  tongueoutwink=winking_face_with_tongue toykotower=tokyo_tower triangularflagonpost=triangular_flag
  triumph=face_with_steam_from_nose turban=person_wearing_turban twistedrightwardsarrows=shuffle_tracks_button
  twobuttonmouse=computer_mouse twomenholdinghands=men_holding_hands twowomenholdinghands=women_holding_hands
  unamused=unamused_face unicornface=unicorn up=backhand_index_pointing_up upexclamationbutton=up_button
  uppointingredtriangle=red_triangle_pointed_up uptextbutton=up_button videocasette=videocassette
  waitress=person_tipping_hand walking=person_walking waningbibbousmoon=waning_gibbous_moon warningsign=warning
  wave=water_wave waving=waving_hand weary=weary_face wearycatface=weary_cat weightlifter=person_lifting_weights
  whiteexclaimationmark=white_exclamation_mark whiteheavycheckmark=check_mark_button whitelatincross=latin_cross
  whitemediumstar=star whitesmilingface=smiling_face whitestar=star whitesunbehindcloud=sun_behind_large_cloud
  whitesunsmallcloud=sun_behind_small_cloud whitewineglass=wine_glass winking=winking_face wolfface=wolf
  womanblondehair=woman_blond_hair womandeaf=deaf_woman womanmerpeople=mermaid womansshirt=womans_clothes
  womanwithbunnyears=women_with_bunny_ears womanwrestling=women_wrestling womenssymbol=womens_room
  worried=worried_face
`;

/** From a name in letters and digits only, or "set/name", to a CLDR key. */
export const otherNames: ReadonlyMap<string, string> = new Map(
  table
    .trim()
    .split(/\s+/)
    .map((row) => row.split("=") as [string, string]),
);
